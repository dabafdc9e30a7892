"""What a preset is: one World Action Model as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wam_core.model.groups import TokenGroup
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.planners.planner import PlannerSpec
from wam_core.preprocess.images import ImageLayout
from wam_core.pretrained.conventions import Conventions
from wam_core.recovery.recovery import RecoverySpec
from wam_core.reflexes.reflex import ReflexSpec
from wam_core.robot.senses import SENSED
from wam_core.substrates.substrate import Clip, SubstrateSpec
from wam_core.triggers.trigger import TriggerSpec

#: The substrate of action chunks, and the group that generates them where no recovery does.
ACTION = "action"


@dataclass(frozen=True)
class TrainingSettings:
    """How a preset is trained.

    Attributes:
        warmup: in steps.
        ema: decay of the averaged weights, which are the ones that are kept.
        copies: augmented copies of the data beside the recorded one (``training/augment.py``).
        sub_instructions: whether every window is also learned under the part of the task that is being done, with a
            future that ends where that part is done.
    """

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup: int
    ema: float
    clip: float
    copies: int
    sub_instructions: bool = False


@dataclass(frozen=True)
class Preset:
    """One World Action Model as data.

    Attributes:
        system: the system of ``config/survey.csv`` that it follows; empty for a baseline or a control.
        robot: name of the contract it is made for.
        horizon: action steps in a chunk.
        frame_stride: action steps between two predicted frames.
        replan_steps: chunk steps executed before the next chunk takes over.
        steps: denoising steps at inference, where a group names none of its own.
        text_length: most words of an instruction.
        memory: observations that are remembered, ``replan_steps`` apart: what groups of the past show.
        planner: how one of several chunks is chosen; None: the model's first is taken.
        trigger: what asks for a new chunk before ``replan_steps`` are over; None: nothing does.
        reflex: what corrects the rest of a chunk at every step; None: nothing does.
        recovery: how a chunk is read off a predicted future where no group is an action; None: where one is.
        held_by: tests that fail when what distinguishes the system is taken out of this preset.
        published: how weights that others trained want their inputs, and give their outputs.
    """

    name: str
    summary: str
    system: str
    robot: str
    layout: ImageLayout
    horizon: int
    frame_stride: int
    replan_steps: int
    steps: int
    text_length: int
    substrates: Mapping[str, SubstrateSpec]
    trunk: TrunkSize
    experts: Mapping[str, ExpertSize]
    groups: tuple[TokenGroup, ...]
    training: TrainingSettings
    memory: int = 0
    planner: PlannerSpec | None = None
    trigger: TriggerSpec | None = None
    reflex: ReflexSpec | None = None
    recovery: RecoverySpec | None = None
    held_by: tuple[str, ...] = ()
    published: Conventions | None = None

    @property
    def clip(self) -> Clip:
        """Timing and picture of a training window."""
        return Clip(self.layout, self.horizon // self.frame_stride, self.frame_stride, pace=self.replan_steps)

    @property
    def live_channels(self) -> tuple[str, ...]:
        """Channels that must be sensed while it acts, beside proprioception: of what it observes, of its recovery."""
        observed = dict.fromkeys(g.substrate for g in self.groups if g.source == "observed")
        named = dict.fromkeys(channel for name in observed for channel in self.substrates[name].present_channels)
        recovered = self.recovery.channels if self.recovery else ()
        return tuple(channel for channel in dict.fromkeys((*named, *recovered)) if channel != "proprioception")

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that its recordings must have, of those that not every recording has."""
        trained = (c for spec in self.substrates.values() for c in spec.channels if c in SENSED)
        return tuple(dict.fromkeys((*trained, *self.live_channels)))

    def futures(self) -> tuple[TokenGroup, ...]:
        """The generated groups that are no actions: what the model can imagine."""
        return tuple(g for g in self.groups if g.source == "generated" and g.substrate != ACTION)

    @property
    def basis(self) -> str:
        """The generated group that a chunk is made from: the action, or the future that the recovery reads."""
        return self.recovery.future if self.recovery else ACTION

    def to_dict(self) -> dict[str, Any]:
        """The same shape as the parameter file; :func:`from_dict` reads it back."""
        raw = asdict(self)
        raw["groups"] = {g.pop("name"): {k: v for k, v in g.items()} for g in raw["groups"]}
        return _listed(raw)


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, tuple | list) else value
