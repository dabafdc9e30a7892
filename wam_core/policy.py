"""A trained preset as something that answers observations: the one entry that nodes and evaluation use."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wam_core.contract import ActionChunk, Committed, FloatArray, Future, Observation, check_finite
from wam_core.course import ModelCourse, Thought
from wam_core.dial import Dial
from wam_core.dial_limits import check_dial
from wam_core.errors import ContractError, look_up
from wam_core.memory import Memory
from wam_core.model.groups import TokenGroup
from wam_core.model.known import Known, nothing_of
from wam_core.model.runtimes.eager import Eager
from wam_core.model.runtimes.runtime import Runtime
from wam_core.model.runtimes.table import RUNTIMES
from wam_core.paths import share_path
from wam_core.preprocess.senses import channels_of, needed_senses
from wam_core.preprocess.table import PREPROCESSORS, Pictures
from wam_core.preset import ACTION
from wam_core.presets import preset_names
from wam_core.recollection import Recollection
from wam_core.reconstruction import reconstructed
from wam_core.recovery.recovery import Foreseen
from wam_core.recovery.trajectory import Motion, held_motion, smooth_motion
from wam_core.robot.binding import check_binding
from wam_core.robot.contract import RobotContract, contract_of
from wam_core.robot.geometry import Geometry
from wam_core.scene_memory import SceneMemory
from wam_core.substrates.substrate import Scenes
from wam_core.training.batches import chunk_values
from wam_core.training.checkpoint import Checkpoint, load_checkpoint
from wam_core.world import ModelWorld, known_steps, model_world, scene_viewer, sub_instructions

#: Passes until the speed is that of all later ones: kernels are chosen in the first, memory has grown after the second.
WARM_UPS = 2


def checkpoint_folder(model: str) -> Path:
    """Folder of a preset's shipped checkpoint, or the folder given by path.

    Raises:
        ContractError: neither a preset with a checkpoint nor a folder; the known presets are listed.
    """
    if Path(model).is_dir():
        return Path(model)
    names = preset_names()
    if model not in names:
        raise ContractError("model", model, f"a checkpoint folder or one of {', '.join(names)}")
    try:
        return share_path(f"checkpoints/{model}")
    except ContractError:
        raise ContractError("model", model, f"a trained checkpoint; train it with `wam train model:={model}`") from None


def load_policy(
    model: str, robot: RobotContract, seed: int = 0, runtime: str = "eager", preprocess: str = "opencv"
) -> "Policy":
    """Load a preset's checkpoint for ``robot``.

    Args:
        runtime: what computes it, a key of :data:`RUNTIMES`. preprocess: what makes its picture of the cameras' images,
            a key of :data:`PREPROCESSORS`.

    Raises:
        ContractError: unknown model, runtime or preprocessing, one that this machine cannot have, missing or corrupt
            checkpoint, or a robot other than it was trained for.
    """
    checkpoint = load_checkpoint(checkpoint_folder(model))
    check_binding(contract_of(checkpoint.robot), robot, checkpoint.preset.live_channels)
    pictures = look_up(PREPROCESSORS, preprocess, "preprocess")(checkpoint.robot, checkpoint.preset.layout)
    return Policy(checkpoint, seed, look_up(RUNTIMES, runtime, "runtime")(checkpoint.model), pictures)


class Policy:
    """Observations in, chunks out, and on request the futures that belong to them.

    Attributes:
        name: the preset. cameras: images it looks at, in order. senses: names of what it needs beside them.
        horizon, replan_steps: in chunk steps.
        dial: how much the chunks from the next one on may cost; a chunk and its futures go by the one that it was begun
            with.
        seed, sequence: the number of the next chunk; the two together decide its noise.
        pictures: lays out the cameras' images.
    """

    def __init__(
        self, checkpoint: Checkpoint, seed: int, runtime: Runtime | None = None, pictures: Pictures | None = None
    ) -> None:
        """``runtime``: of the checkpoint's model, eager if none is given; policies may share it. ``pictures``: lays out
        images, as OpenCV does if none is given."""
        preset = checkpoint.preset
        self.runtime = runtime or Eager(checkpoint.model)
        substrates = {name: s.computed(self.runtime.part) for name, s in checkpoint.substrates.items()}
        self.checkpoint = replace(checkpoint, substrates=substrates)
        self.name = preset.name
        self.cameras = preset.layout.cameras
        needed = needed_senses(checkpoint.robot, preset.live_channels, preset.layout)
        self.senses = tuple(sense.name for sense in needed)
        self.horizon = preset.horizon
        self.replan_steps = preset.replan_steps
        self._dial = Dial()
        self.seed = seed
        self.sequence = 0
        self._geometry = Geometry(contract_of(checkpoint.robot), preset.layout) if preset.recovery else None
        self.pictures = pictures or PREPROCESSORS["opencv"](checkpoint.robot, preset.layout)
        self._memory = Memory(preset.memory)
        features = {g.substrate for g in preset.futures() if preset.substrates[g.substrate].shows == "features"}
        self._recollections = {name: Recollection(checkpoint.substrates[name]) for name in sorted(features)}
        self._thought: Thought | None = None
        self._chunk: ActionChunk | None = None
        self._current: ActionChunk | None = None

    @property
    def dial(self) -> Dial:
        return self._dial

    @dial.setter
    def dial(self, dial: Dial) -> None:
        """Raises :class:`ContractError` for what the preset does not have."""
        check_dial(dial, self.checkpoint.preset)
        self._dial = dial

    @property
    def goes_on(self) -> bool:
        """Whether a chunk can go on from the one in progress: one that is read off a future begins where the arm is."""
        return not self.checkpoint.preset.recovery

    def check_instruction(self, instruction: str) -> None:
        """Raise :class:`ContractError` naming the first word the model does not know, or the tasks of which its planner
        knows the parts."""
        self.checkpoint.model.text.tokenize(instruction)
        planner = self.checkpoint.preset.planner
        if planner and planner.tells_parts:
            sub_instructions(self.checkpoint, instruction)

    def warm_up(self) -> None:
        """Compute once, from the blind control's picture, what a chunk and its futures take, and keep nothing of it.

        Libraries choose their kernels and memory grows on first use; without this the first chunk pays for it.
        """
        c = self.checkpoint
        state = c.statistics["proprioception"].mean
        first = {name: values[None] for name, values in c.first_channels.items()}
        scenes = Scenes(c.first_frame[None], {**first, "proprioception": state[None]})
        known: list[dict[str, Known]] = [{}]
        if self.goes_on:
            known.insert(0, {ACTION: nothing_of(torch.zeros(1, *c.model.shape_of(ACTION)))})
        for start in known * WARM_UPS:
            self._futures(self._think(0, self._world(0, scenes, c.training["instructions"][0], start)))

    def act(self, observation: Observation, committed: Committed | None = None) -> ActionChunk:
        """Predict a chunk; nothing that the chunk does not depend on is computed.

        Args:
            committed: the chunk in progress. The new one has its committed steps, as far as they are due from the new
                chunk's first step on, and goes on from there.

        Raises:
            ContractError: an image, a sense, the proprioception, the instruction or the chunk in progress does not fit.
        """
        c = self.checkpoint
        check_finite("observation.proprioception", observation.proprioception)
        start_ns = observation.stamp_ns + c.robot.step_ns
        known = {} if committed is None else {ACTION: known_steps(c, committed, start_ns, observation.proprioception)}
        world = self._world(observation.stamp_ns, self._scenes(observation), observation.instruction, known)
        thought = self._think(observation.stamp_ns, world)
        motion = self._motion(world, thought.generated, observation.proprioception)
        check_finite("chunk.values", motion.values)
        self._memory.keep(observation.stamp_ns, observation.instruction, world.present())
        for recollection in self._recollections.values():
            recollection.keep(world.scenes.images[0])
        chunk = ActionChunk(
            stamp_ns=observation.stamp_ns,
            start_ns=start_ns,
            step_ns=c.robot.step_ns,
            names=motion.names,
            space=motion.space,
            values=motion.values,
            sequence=self.sequence,
            model=self.name,
        )
        self._thought, self._chunk, self._current = thought, chunk, chunk
        self.sequence += 1
        return chunk

    def look(self, observation: Observation) -> ModelWorld:
        """The model in the situation that ``observation`` shows, after what was seen before; nothing is decided."""
        return self._world(observation.stamp_ns, self._scenes(observation), observation.instruction, {})

    def _think(self, stamp_ns: int, world: ModelWorld) -> Thought:
        """What the next chunk is made from, and what is generated with it."""
        seed = self.seed * 1_000_003 + self.sequence
        planner, basis = self.checkpoint.preset.planner, self.checkpoint.preset.basis
        rng = torch.Generator().manual_seed(seed)
        generated, standing = (planner.choose(world, basis, rng), {}) if planner else world.begin((basis,), rng)
        return Thought(stamp_ns, self.sequence, seed, world, dict(generated), standing)

    def _motion(self, world: ModelWorld, generated: Mapping[str, Tensor], proprioception: FloatArray) -> Motion:
        """What was generated as a motion of the arm: the action itself, or what the recovery reads off the future."""
        c, preset = self.checkpoint, self.checkpoint.preset
        if preset.basis not in generated:  # the planner accepts none
            return held_motion(contract_of(c.robot), proprioception, preset.horizon)
        if preset.recovery is None or self._geometry is None:
            values = chunk_values(c.robot, c.statistics["action"], generated[ACTION][0], proprioception)
            return Motion(c.robot.action.space, c.robot.action.names, values)
        group = next(g for g in preset.groups if g.name == preset.basis)
        future = world.shown(group, generated[group.name])[0]
        foreseen = Foreseen(world.scenes, future, self._geometry, contract_of(c.robot))
        return smooth_motion(foreseen, preset.recovery.way_points(foreseen), preset.horizon)

    def imagine(self) -> tuple[Future, ...]:
        """The futures that belong to the last chunk, one for each generated group that is no action, and the scene in
        space where pictures were imagined with depth.

        Those that the chunk was made from are shown as they were; the others are generated now. Features come with a
        second future, ``nearest``: the picture seen so far that they are most like.
        """
        if self._thought is None or self._chunk is None:
            return ()
        futures = self._futures(self._thought)
        cloud = reconstructed(self.checkpoint.robot, self.checkpoint.preset.layout, self._chunk, futures)
        return (*futures, cloud) if cloud else futures

    def _futures(self, thought: Thought) -> tuple[Future, ...]:
        groups = self.checkpoint.preset.futures()
        futures = [thought.future(group) for group in groups]
        return (*futures, *(f for group in groups for f in self._recalled(thought, group)))

    def _world(self, stamp_ns: int, scenes: Scenes, instruction: str, known: Mapping[str, Known]) -> ModelWorld:
        """What the cameras see and saw, the robot's own numbers and what it is told."""
        remembered = self._remembered(stamp_ns, scenes, instruction)
        world = model_world(self.checkpoint, self.runtime, self.dial, scenes, instruction, remembered)
        past = self._memory.past(stamp_ns, instruction, world.present()) if self._memory.length else {}
        return replace(world, observed={**world.observed, **{(n, "past"): x for n, x in past.items()}}, known=known)

    def _remembered(self, stamp_ns: int, scenes: Scenes, instruction: str) -> SceneMemory | None:
        """The scene as it was seen under this instruction so far, and is seen now; begun anew as :class:`Memory` is."""
        viewer, before = scene_viewer(self.checkpoint), self._thought
        if viewer is None:
            return None
        memory = viewer[1].nothing
        if (
            before
            and before.world.remembered
            and before.world.instruction == instruction
            and before.stamp_ns < stamp_ns
        ):
            memory = before.world.remembered
        return viewer[1].seen(memory, scenes, 0)

    def _scenes(self, observation: Observation) -> Scenes:
        """One instant, as a row of the training frames has it."""
        robot, preset = self.checkpoint.robot, self.checkpoint.preset
        sensed = channels_of(robot, preset.live_channels, observation.senses, preset.layout)
        channels = {name: values[None] for name, values in sensed.items()}
        picture = self.pictures(observation.images)
        return Scenes(picture[None], {**channels, "proprioception": observation.proprioception[None]})

    def parted(self, observation: Observation) -> bool:
        """Whether the preset's trigger asks for a new chunk; without a trigger, or a chunk, nothing does."""
        thought, chunk, trigger = self._thought, self._chunk, self.checkpoint.preset.trigger
        if thought is None or chunk is None or trigger is None:
            return False
        now = self._world(observation.stamp_ns, self._scenes(observation), observation.instruction, {})
        steps = (observation.stamp_ns - chunk.stamp_ns) / chunk.step_ns
        return trigger.parted(ModelCourse(chunk, thought, now, steps))

    def corrected(self, observation: Observation) -> ActionChunk | None:
        """The rest of the last chunk as the preset's reflex has it, from the step after ``observation`` on; None where
        that changes nothing.

        Raises:
            ContractError: a sense or the proprioception does not fit.
        """
        c, thought, made, current = self.checkpoint, self._thought, self._chunk, self._current
        reflex = c.preset.reflex
        if thought is None or made is None or current is None or reflex is None:
            return None
        passed = round((observation.stamp_ns - made.stamp_ns) / made.step_ns)
        if not 0 < passed < len(made.values):
            return None
        check_finite("observation.proprioception", observation.proprioception)
        group = next(g for g in c.preset.futures() if c.preset.substrates[g.substrate].shows == reflex.shows)
        foreseen = np.asarray(thought.shown(group), np.float32)
        # The future has an entry for each so many steps; the one that counts was imagined for now.
        due = foreseen[(passed - 1) * len(foreseen) // len(made.values)]
        felt = channels_of(c.robot, [reflex.channel], observation.senses, c.preset.layout)[reflex.channel]
        here, rest = observation.proprioception, current.values[passed - len(made.values) :]
        values = reflex.correct(
            contract_of(c.robot), due, np.asarray(felt, np.float32), here, made.values[passed:], rest
        )
        if values is rest:
            return None
        start_ns = made.start_ns + passed * made.step_ns
        self._current = replace(
            made, stamp_ns=observation.stamp_ns, start_ns=start_ns, values=values, sequence=self.sequence
        )
        self.sequence += 1
        return self._current

    def _recalled(self, thought: Thought, group: TokenGroup) -> Iterator[Future]:
        """What predicted features are most like, if any were predicted and anything was seen."""
        c = self.checkpoint
        if group.substrate in self._recollections:
            seen = self._recollections[group.substrate].nearest(thought.features(group))
            if seen is not None:
                span_ns, regions = c.preset.horizon * c.robot.step_ns, c.preset.layout.regions
                yield Future(thought.stamp_ns, "nearest", span_ns, seen[None], regions, thought.sequence)
