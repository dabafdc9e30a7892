"""The model in a situation, as policies and planners ask it: what follows, under which words, and what after that."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wam_core.continuation import overlap
from wam_core.contract import Committed, FloatArray, check_finite
from wam_core.dial import Dial
from wam_core.dial_limits import shortcuts
from wam_core.errors import ContractError, look_up
from wam_core.model import sampling
from wam_core.model.groups import TokenGroup
from wam_core.model.known import Known
from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.sampling import Shortcuts, Standing
from wam_core.model.situation import Situation
from wam_core.model.wam import Content
from wam_core.preset import ACTION
from wam_core.scene_memory import SceneMemory
from wam_core.substrates.scene_view import SceneView
from wam_core.substrates.substrate import Scenes
from wam_core.training.augment import exchange_between, exchanged
from wam_core.training.batches import chunk_features, chunk_values, normalised
from wam_core.training.checkpoint import Checkpoint


@dataclass(frozen=True)
class ModelWorld:
    """A checkpoint's model in B situations; see :class:`wam_core.planners.planner.World`.

    Attributes:
        dial: how much may be computed.
        scenes: what is seen, one row for each situation.
        observed: (substrate, span) -> features ``[B, N, F]``.
        known: what generated groups go on from.
        remembered: of the scene, where the preset looks at that.
    """

    checkpoint: Checkpoint
    runtime: Runtime
    dial: Dial
    scenes: Scenes
    instruction: str
    observed: Mapping[Content, Tensor]
    known: Mapping[str, Known] = field(default_factory=dict)
    remembered: SceneMemory | None = None

    @property
    def proprioception(self) -> FloatArray:
        """``[B, D]`` in contract units."""
        return self.scenes.channel("proprioception").astype(np.float64)

    @cached_property
    def situation(self) -> Situation:
        """Keys and values of what is seen and said, computed as they are needed and kept."""
        c, many = self.checkpoint, len(self.proprioception)
        with torch.no_grad():
            prompt = self.runtime.prompt(self.instruction, lambda: c.model.text.tokenize(self.instruction))
            state = normalised(c.statistics["proprioception"], self.proprioception)
            context = c.model.join(prompt.tokens.expand(many, -1, -1), state)
        return Situation(self.runtime, self.observed, context, prompt if many == 1 else None)

    def present(self) -> dict[str, Tensor]:
        """Features of what is observed now, by substrate."""
        return {name: value for (name, span), value in self.observed.items() if span == "present"}

    def generate(
        self,
        outputs: tuple[str, ...],
        rng: torch.Generator,
        candidates: int = 0,
        given: Mapping[str, Tensor] | None = None,
        begun: Mapping[str, Standing] | None = None,
    ) -> dict[str, Tensor]:
        held = {name: self._held(name, value) for name, value in (given or {}).items()}
        ahead, sample = self, partial(
            sampling.generate,
            steps=self._steps,
            rng=rng,
            known=self.known,
            begun=begun,
            shortcuts=self._shortcuts,
        )
        if self._looks_ahead(outputs):
            if ACTION not in held:
                held |= sample(self.situation, (ACTION,), given=held, samples=candidates)
            ahead = self._ahead(held[ACTION])
        return sample(ahead.situation, outputs, given=held, samples=candidates)

    def _looks_ahead(self, outputs: tuple[str, ...]) -> bool:
        """Whether ``outputs`` depend on what is remembered of where the action leads."""
        wiring = self.checkpoint.model.wiring
        groups = (wiring.groups[n] for n in wiring.needed(outputs))
        return self.remembered is not None and any(g.span == "future" and g.source == "observed" for g in groups)

    def _ahead(self, action: Tensor) -> "ModelWorld":
        """A situation for each action ``[n, N, F]``, with what is remembered as it would be seen on its way."""
        viewer = scene_viewer(self.checkpoint)
        assert viewer is not None and self.remembered is not None
        name, substrate = viewer
        every, rows = self.checkpoint.preset.frame_stride, np.arange(len(action)) % len(self.scenes.images)
        ways = self.course(action)[:, every - 1 :: every]
        views = torch.stack([substrate.views(self.remembered, way) for way in ways])
        scenes = Scenes(self.scenes.images[rows], {n: values[rows] for n, values in self.scenes.channels.items()})
        observed = {content: values[torch.from_numpy(rows)] for content, values in self.observed.items()}
        return replace(self, scenes=scenes, observed={**observed, (name, "future"): views})

    def begin(self, outputs: tuple[str, ...], rng: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Standing]]:
        """What :meth:`generate` gives, and where those groups stand that take more steps than ``outputs`` do."""
        return sampling.begin(self.situation, outputs, self._steps, rng, self.known, self._shortcuts)

    @property
    def _steps(self) -> int:
        return self.dial.denoising_steps or self.checkpoint.preset.steps

    @cached_property
    def _shortcuts(self) -> Shortcuts:
        return shortcuts(self.dial, self.checkpoint.preset)

    def _held(self, name: str, value: Tensor) -> Tensor:
        if name not in self.known:
            return value
        features, weights = self.known[name]
        return torch.where(weights >= 1.0, features, value)

    def sub_instructions(self) -> tuple[str, ...]:
        return sub_instructions(self.checkpoint, self.instruction)

    def told(self, instruction: str) -> "ModelWorld":
        self.checkpoint.model.text.tokenize(instruction)
        return replace(self, instruction=instruction)

    def after(self, made: Mapping[str, Tensor]) -> "ModelWorld":
        c = self.checkpoint
        if ACTION not in made:
            raise ContractError("made", sorted(made), f"{ACTION} among them, which says where the arm is then")
        if c.preset.memory:
            raise ContractError("preset.memory", c.preset.memory, "0 where futures go on from futures")
        kinds = c.preset.substrates
        pictured = [g for g in c.preset.futures() if g.name in made and kinds[g.substrate].shows == "video"]
        if not pictured:
            raise ContractError("made", sorted(made), "a group in pictures among them, which says what is seen then")
        frames = self.shown(pictured[0], made[pictured[0].name])
        reached = self.course(made[ACTION])[:, -1]
        ends = Scenes(np.ascontiguousarray(frames[:, -1], np.uint8), {"proprioception": reached})
        return model_world(c, self.runtime, self.dial, ends, self.instruction, self.remembered)

    def course(self, action: Tensor) -> FloatArray:
        """Proprioception ``[B, horizon, D]`` where the steps of chunks ``[B, N, F]`` lead."""
        robot, table = self.checkpoint.robot, self.checkpoint.statistics["action"]
        missing = set(robot.proprioception) - set(robot.action.names)
        if missing:
            raise ContractError("robot.proprioception", sorted(missing), "names that actions speak of too")
        columns = [robot.action.names.index(name) for name in robot.proprioception]
        here = np.broadcast_to(self.proprioception, (len(action), len(columns)))
        return np.array([chunk_values(robot, table, a, p)[:, columns] for a, p in zip(action, here, strict=True)])

    def shown(self, group: TokenGroup, features: Tensor) -> NDArray[np.generic]:
        """Values ``[M, ...]`` as the group's substrate decodes features ``[M, N, F]``."""
        c, name = self.checkpoint, group.substrate
        present = self.observed.get((name, "present"), features[:, :0])
        if not present.shape[1] and c.preset.substrates[name].goes_on:
            present = c.substrates[name].encode(self.scenes, _rows(self.scenes))
        return c.substrates[name].decode(present.expand(len(features), -1, -1), features)


def sub_instructions(checkpoint: Checkpoint, task: str) -> tuple[str, ...]:
    """The parts of ``task``; see :meth:`wam_core.planners.planner.World.sub_instructions`."""
    recorded = checkpoint.training.get("sub_instructions", {})
    same = ((exchange_between(known, task), parts) for known, parts in recorded.items())
    found = [exchanged(part, exchange) for exchange, parts in same if exchange is not None for part in parts]
    return tuple(dict.fromkeys(found)) or tuple(look_up(recorded, task, "instruction"))


def model_world(
    checkpoint: Checkpoint,
    runtime: Runtime,
    dial: Dial,
    scenes: Scenes,
    instruction: str,
    remembered: SceneMemory | None = None,
) -> ModelWorld:
    """A world whose every row of ``scenes`` is a situation; nothing is past."""
    names = sorted({g.substrate for g in checkpoint.preset.groups if g.source == "observed" and g.span != "future"})
    rows = _rows(scenes)
    observed = {(name, "present"): checkpoint.substrates[name].encode(scenes, rows) for name in names}
    return ModelWorld(checkpoint, runtime, dial, scenes, instruction, observed, remembered=remembered)


def known_steps(checkpoint: Checkpoint, committed: Committed, start_ns: int, proprioception: FloatArray) -> Known:
    """What the chunk in progress says about a chunk that begins at ``start_ns``, as the model's features.

    Raises:
        ContractError: it is a chunk of other columns, or the model reads chunks off futures.
    """
    c, chunk = checkpoint, committed.chunk
    if c.preset.recovery:
        raise ContractError("committed", chunk.sequence, "none: what is recovered begins where the arm is measured")
    if (chunk.space, chunk.names) != (c.robot.action.space, c.robot.action.names):
        expected = f"{c.robot.action.space} of {', '.join(c.robot.action.names)}"
        raise ContractError("committed.chunk", f"{chunk.space} of {', '.join(chunk.names)}", expected)
    check_finite("committed.chunk.values", chunk.values)
    due_ns = start_ns + np.arange(c.preset.horizon, dtype=np.int64) * c.robot.step_ns
    before = overlap(committed, due_ns)
    features = chunk_features(c.robot, c.statistics["action"], before.values, proprioception)
    return Known(features[None], torch.from_numpy(before.weights).float()[None, :, None])


def scene_viewer(checkpoint: Checkpoint) -> tuple[str, SceneView] | None:
    """The substrate that shows what is remembered of the scene, and its name in the preset."""
    return next(((n, s) for n, s in checkpoint.substrates.items() if isinstance(s, SceneView)), None)


def _rows(scenes: Scenes) -> NDArray[np.int64]:
    return np.arange(len(scenes.images))[:, None]
