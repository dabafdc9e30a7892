"""The cell as a robot: torques in; joint state, wrench, touch, images and what else it senses out."""

from collections.abc import Callable, Collection, Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wam_core.cell.fingertips import Skin
from wam_core.cell.rendering import RENDERERS, choose_renderer
from wam_core.cell.rendering.renderer import Renderer
from wam_core.cell.scene import Scene
from wam_core.cell.sound import Microphone
from wam_core.cell.tasks import TASKS, Goal, Task
from wam_core.cell.variations import VARIATIONS
from wam_core.contract import FloatArray, RobotState, check_finite
from wam_core.errors import ContractError, look_up
from wam_core.robot.contract import RobotContract
from wam_core.robot.senses import Sense, form
from wam_core.robot.tool_pose import encode_tool_pose

#: Bound of the light's per-episode change.
LIGHT = 0.15
#: How often a task's condition is looked at.
CHECK_SECONDS = 0.02


class Cell:
    """Not thread-safe: one thread steps it and reads it."""

    def __init__(self, robot: RobotContract, renderer: str = "auto", link_mass: float = 1.0) -> None:
        """A cell without a task yet.

        Args:
            robot: what to be; its control rate is the simulation rate.
            renderer: ``egl``, ``osmesa``, ``raycast`` or ``auto``.
            link_mass: mass and inertia of each link as a multiple of what the URDF says, and everybody else believes.

        Raises:
            ContractError: unknown or non-working renderer, or a camera with a distortion, which the cell's have not.
        """
        for camera in robot.cameras:
            if camera.distortion is not None:
                field = f"robot.cameras.{camera.name}.distortion"
                raise ContractError(field, camera.distortion, "none: the cell renders straight pictures")
        self.robot = robot
        self.renderer = choose_renderer(renderer)
        self._link_mass = link_mass
        self._scenes: dict[str, Scene] = {}
        self._renderers: dict[str, Renderer] = {}
        self._attended: frozenset[str] = frozenset()
        self._microphones: dict[str, Microphone] = {}
        self._skins: dict[str, Skin] = {}
        self._step_ns = round(1e9 / robot.rates.control_hz)
        self._check_ticks = round(CHECK_SECONDS * robot.rates.control_hz)
        self._limit = robot.effort_limit
        self._ticks = 0
        self.reset("reach", 0)

    @property
    def time_ns(self) -> int:
        """Time since construction; resets do not turn it back."""
        return self._ticks * self._step_ns

    @property
    def max_seconds(self) -> float:
        """Time an episode of the current task may take."""
        return self._task.max_seconds

    @property
    def task(self) -> str:
        return self._name

    @property
    def goal(self) -> Goal:
        return self._goal

    @property
    def scene(self) -> Scene:
        return self._scenes[self._name]

    def reset(self, task: str, seed: int, variation: str = "none") -> str:
        """Put the arm at home and lay out a new episode, determined by ``seed``; return the instruction.

        Args:
            variation: a key of :data:`wam_core.cell.variations.VARIATIONS`.

        Raises:
            ContractError: unknown task or variation, or a negative seed.
        """
        if seed < 0:
            raise ContractError("seed", seed, "zero or more")
        varied = look_up(VARIATIONS, variation, "variation")
        self._task: Task = look_up(TASKS, task, "task")
        self._name = task
        if task not in self._scenes:
            self._scenes[task] = Scene(self.robot, self._task.add_objects, self._link_mass)
        scene = self._scenes[task]
        rng = np.random.default_rng(seed)
        scene.reset()
        self._goal = self._task.lay_out(scene, rng, varied)
        scene.move_cameras(rng, varied.cameras)
        scene.set_light(1.0 + rng.uniform(-LIGHT, LIGHT))
        mujoco.mj_forward(scene.model, scene.data)
        self._effort = np.zeros(len(self.robot.joint_names))
        self._satisfied_ticks = 0
        self._succeeded = False
        self._seed = seed
        self._begin_to_feel()
        return self._goal.instruction

    def step(self, effort: FloatArray) -> None:
        """Advance by one control tick under ``effort`` ``[J + 1]`` (N m; gripper N, half of it per finger).

        Efforts beyond the contract's limits saturate, as drives do.

        Raises:
            ContractError: wrong length or not finite.
        """
        if effort.shape != self._effort.shape:
            raise ContractError("effort", effort.shape, f"{len(self._effort)} numbers")
        check_finite("effort", effort)
        self._effort = np.clip(effort, -self._limit, self._limit)
        self.scene.step(self._effort)
        if "sound" in self._attended:
            self._microphones[self._name].tick(self.scene.data)
        if "touch_image" in self._attended:
            self._skins[self._name].tick(self.scene.data)
        self._ticks += 1
        if self._ticks % self._check_ticks == 0:
            holds = self._task.satisfied(self.scene, self._goal)
            self._satisfied_ticks = self._satisfied_ticks + self._check_ticks if holds else 0
            self._succeeded |= self._satisfied_ticks * self._step_ns >= self._task.hold_seconds * 1e9

    def success(self) -> bool:
        """Whether the goal has been reached at some time since the reset."""
        return self._succeeded

    def robot_state(self) -> RobotState:
        """Everything the arm measures now."""
        scene = self.scene
        position, velocity = scene.joints()
        return RobotState(
            stamp_ns=self.time_ns,
            position=position,
            velocity=velocity,
            effort=self._effort.copy(),
            wrench=scene.sensors.wrench(scene.data),
            tactile=scene.sensors.tactile(scene.data),
        )

    def tool_pose(self) -> FloatArray:
        """The measured ``ee_pose`` ``[7]``."""
        tool = self.scene.data.body(self.robot.tool_frame)
        fingers = self.scene.joints()[0][len(self.robot.joints) :]
        return encode_tool_pose(self.robot, tool.xmat.reshape(3, 3), tool.xpos, fingers)

    def image(self, camera: str) -> NDArray[np.uint8]:
        """``[H, W, 3]`` RGB at the contract's size.

        Raises:
            ContractError: unknown camera (also of :meth:`depth` and :meth:`segmentation`).
        """
        view = self.robot.camera(camera)
        return self._renderer().colour(self.scene.data, camera, view.width, view.height)

    def depth(self, camera: str) -> NDArray[np.float32]:
        """``[H, W]`` m along the optical axis; infinite where there is nothing."""
        view = self.robot.camera(camera)
        return self._renderer().depth(self.scene.data, camera, view.width, view.height)

    def segmentation(self, camera: str) -> NDArray[np.int32]:
        """``[H, W]`` geom id of ``scene.model``; -1 where there is nothing."""
        view = self.robot.camera(camera)
        return self._renderer().segmentation(self.scene.data, camera, view.width, view.height)

    def attend(self, names: Collection[str]) -> None:
        """The senses that are asked for from now on. Sound and touch are made in every tick, and of what happens only
        then; whoever asked before begins anew when they change.

        Raises:
            ContractError: the contract has no such sense.
        """
        attended = frozenset(self.robot.sense(name).kind for name in names)
        if attended != self._attended:
            self._attended = attended
            self._begin_to_feel()

    def sound(self, samples: int) -> NDArray[np.float32]:
        """The last ``samples`` that the microphone took, -1..1.

        Raises:
            ContractError: it was not told to :meth:`attend` to sound.
        """
        self._check_attended("sound")
        return self._microphones[self._name].last(samples)

    def touch(self, finger: str, rows: int, columns: int) -> NDArray[np.float32]:
        """Mean force ``[rows, columns]`` in N on each taxel of a fingertip since the camera's last picture.

        Raises:
            ContractError: it was not told to :meth:`attend` to touch images.
        """
        self._check_attended("touch_image")
        return self._skins[self._name].image(finger, rows, columns)

    def sense(self, name: str) -> NDArray[np.generic]:
        """What a sense of the contract says of this instant, as its kind in ``SENSES`` has it.

        Raises:
            ContractError: the contract has no such sense, or it is made in every tick and was not attended to.
        """
        sense = self.robot.sense(name)
        return SOURCES[sense.kind](self, sense)

    def object_pose(self) -> FloatArray:
        """``[6]`` of the body that the task is about: x y z (m), rotation vector (rad), base frame."""
        body = self.scene.data.body(self._goal.subject)
        return np.concatenate([body.xpos, Rotation.from_matrix(body.xmat.reshape(3, 3)).as_rotvec()])

    def _check_attended(self, kind: str) -> None:
        if kind not in self._attended:
            raise ContractError(f"cell.{kind}", sorted(self._attended), "a cell that was told to attend to it")

    def _begin_to_feel(self) -> None:
        name, model = self._name, self.scene.model
        if "sound" in self._attended:
            rate_hz = next(sense.rate_hz for sense in self.robot.senses if sense.kind == "sound")
            self._microphones.setdefault(name, Microphone(model, rate_hz)).reset(self._seed)
        if "touch_image" in self._attended:
            self._skins.setdefault(name, Skin(model, 1.0 / self.robot.rates.camera_hz)).reset()

    def _renderer(self) -> Renderer:
        if self._name not in self._renderers:
            self._renderers[self._name] = RENDERERS[self.renderer](self.scene.model)
        return self._renderers[self._name]


def object_mask(scene: Scene, goal: Goal, segmentation: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where a segmentation shows the body that the task is about."""
    geoms = np.flatnonzero(scene.model.geom_bodyid == scene.model.body(goal.subject).id)
    return np.isin(segmentation, geoms)


def _mask(cell: Cell, sense: Sense) -> NDArray[np.generic]:
    return object_mask(cell.scene, cell.goal, cell.segmentation(sense.camera))


def _sound(cell: Cell, sense: Sense) -> NDArray[np.generic]:
    (samples,), _ = form(cell.robot, sense)
    return cell.sound(samples)


#: Kind of a sense -> where the cell has it from.
SOURCES: Mapping[str, Callable[[Cell, Sense], NDArray[np.generic]]] = {
    "depth": lambda cell, sense: cell.depth(sense.camera),
    "object_mask": _mask,
    "object_pose": lambda cell, sense: cell.object_pose(),
    "sound": _sound,
    "touch_image": lambda cell, sense: cell.touch(sense.finger, sense.rows, sense.columns),
}
