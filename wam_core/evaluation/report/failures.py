"""Why an episode failed, as far as the cell can tell: whether the arm ever was at what the task is about."""

from collections.abc import Mapping

import numpy as np

from wam_core.cell.cell import Cell
from wam_core.contract import JointCommand
from wam_core.evaluation.rollout import EpisodeResult

#: How a failed episode is tagged, in the order in which a tag is looked for.
TAGS: Mapping[str, str] = {
    "no chunk": "no chunk was accepted by the executor",
    "never touched": "the arm was never at the object that the task is about",
    "touched another": "the arm was at another object, and never at that one",
    "touched and lost": "it was at the object, but no longer when the time was over",
    "timed out": "it was at the object when the time was over",
}

#: A tool this near (m) to the middle of something that cannot be touched, only seen, is at it.
NEAR = 0.06
#: Control ticks between two looks.
LOOK_TICKS = 10


class ContactWatch:
    """Is shown every command of an episode (``watch`` of :func:`run_episode`). One object per episode."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._ticks = 0
        self._at_subject: list[bool] = []
        self._at_another = False

    def __call__(self, command: JointCommand) -> None:
        self._ticks += 1
        if self._ticks % LOOK_TICKS:
            return
        subject, others = self._cell.goal.subject, touched(self._cell)
        self._at_subject.append(subject in others)
        self._at_another |= bool(others - {subject})

    def tag(self, result: EpisodeResult) -> str:
        """A key of :data:`TAGS`; empty for an episode that succeeded."""
        if result.success:
            return ""
        if not result.chunks:
            return "no chunk"
        if not any(self._at_subject):
            return "touched another" if self._at_another else "never touched"
        # Contacts flicker: at it is who was at it within the last 0.2 s.
        recent = round(0.2 * self._cell.robot.rates.control_hz / LOOK_TICKS)
        return "timed out" if any(self._at_subject[-recent:]) else "touched and lost"


def touched(cell: Cell) -> set[str]:
    """Of the bodies that the task's subject is one of (``block_0``, ``block_1``), those that the arm is at now."""
    model, data = cell.scene.model, cell.scene.data
    kind = cell.goal.subject.rpartition("_")[0]
    alike = {model.body(b).name: b for b in range(model.nbody) if model.body(b).name.rpartition("_")[0] == kind}
    arm = model.body_rootid[model.body(cell.robot.tool_frame).id]
    pairs = model.geom_bodyid[np.asarray(data.contact.geom, int).reshape(-1, 2)]
    of_arm = model.body_rootid[pairs] == arm
    felt = set(pairs[(of_arm[:, 0] != of_arm[:, 1])[:, None] & ~of_arm].tolist())
    return {name for name, body in alike.items() if body in felt or (not _solid(cell, body) and _near(cell, name))}


def _solid(cell: Cell, body: int) -> bool:
    model = cell.scene.model
    return bool(model.geom_contype[model.geom_bodyid == body].any())


def _near(cell: Cell, name: str) -> bool:
    return bool(np.linalg.norm(cell.scene.tool_position() - cell.scene.position(name)) < NEAR)
