"""The cell as a robot: torques in; joint state, wrench, touch and images out."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from wam_core.cell.rendering import RENDERERS, choose_renderer
from wam_core.cell.rendering.renderer import Renderer
from wam_core.cell.scene import Scene
from wam_core.cell.tasks import TASKS, Goal, Task
from wam_core.contract import FloatArray, RobotState, check_finite
from wam_core.errors import ContractError, look_up
from wam_core.robot.contract import RobotContract
from wam_core.robot.tool_pose import encode_tool_pose

#: Bounds of the per-episode variation.
CAMERA_METRES, CAMERA_RADIANS = 0.005, 0.007
LIGHT = 0.15
#: How often a task's condition is looked at.
CHECK_SECONDS = 0.02


class Cell:
    """Not thread-safe: one thread steps it and reads it."""

    def __init__(self, robot: RobotContract, renderer: str = "auto") -> None:
        """A cell without a task yet.

        Args:
            robot: what to be; its control rate is the simulation rate.
            renderer: ``egl``, ``osmesa``, ``raycast`` or ``auto``.

        Raises:
            ContractError: unknown or non-working renderer.
        """
        self.robot = robot
        self.renderer = choose_renderer(renderer)
        self._scenes: dict[str, Scene] = {}
        self._renderers: dict[str, Renderer] = {}
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

    def reset(self, task: str, seed: int) -> str:
        """Put the arm at home and lay out a new episode, determined by ``seed``; return the instruction.

        Raises:
            ContractError: unknown task or a negative seed.
        """
        if seed < 0:
            raise ContractError("seed", seed, "zero or more")
        self._task: Task = look_up(TASKS, task, "task")
        self._name = task
        if task not in self._scenes:
            self._scenes[task] = Scene(self.robot, self._task.add_objects)
        scene = self._scenes[task]
        rng = np.random.default_rng(seed)
        scene.reset()
        self._goal = self._task.lay_out(scene, rng)
        scene.move_cameras(rng, CAMERA_METRES, CAMERA_RADIANS)
        scene.set_light(1.0 + rng.uniform(-LIGHT, LIGHT))
        mujoco.mj_forward(scene.model, scene.data)
        self._effort = np.zeros(len(self.robot.joint_names))
        self._satisfied_ticks = 0
        self._succeeded = False
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

    def _renderer(self) -> Renderer:
        if self._name not in self._renderers:
            self._renderers[self._name] = RENDERERS[self.renderer](self.scene.model)
        return self._renderers[self._name]
