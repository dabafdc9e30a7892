"""wam_cell: the embedded work cell as a robot. It publishes and subscribes exactly what a real arm would."""

import sys
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String

from wam_core.cell.cell import Cell
from wam_core.contract import FloatArray, Observation, RobotState
from wam_core.data.messages import DEMONSTRATION_TOPIC, INSTRUCTION_TOPIC
from wam_core.data.senses import encode_sense
from wam_core.errors import ContractError
from wam_core.evaluation.expert_policy import ExpertPolicy
from wam_core.executor.shaping import Motion
from wam_core.executor.torque import computed_torque
from wam_core.realtime import favour_process, favour_thread
from wam_core.robot.contract import Camera
from wam_core.robot.dynamics import Dynamics
from wam_core.robot.robot_file import load_robot
from wam_core.robot.senses import Sense
from wam_msgs.msg import ActionChunk, TactileArray
from wam_msgs.srv import Reset
from wam_ros import conversion, diagnostics
from wam_ros.cameras import CameraThread
from wam_ros.diagnostics import Diagnostics
from wam_ros.parameters import declare
from wam_ros.polled import PolledSubscription
from wam_ros.process import run_node
from wam_ros.qos import COMMAND, LATCHED, RELIABLE, SENSOR
from wam_ros.ros_time import LONGEST_GUESS_NS

#: Without a command for this long the controller brakes.
COMMAND_PATIENCE_S = 0.05
#: A command older than this answers what the arm no longer does: feedback that late would swing it ever further.
OLDEST_COMMAND_NS = 20_000_000
#: Physics that is late by more than this lets time slip instead of catching up: steps in a burst would all be taken
#: under one command.
CATCH_UP_S = 0.004
#: The clock is told as often as those who hear it carry it on by themselves (ros_time.py): it must not go by in leaps
#: where joint states, its other sign, stay away.
CLOCK_HZ = 1e9 / LONGEST_GUESS_NS
TOUCH_HZ, SUCCESS_HZ = 50.0, 10.0
#: Images of a new scene come within this time: the first takes a renderer of its own (s of wall time).
SHOWN_S = 3.0


class CellNode(Node):
    def __init__(self) -> None:
        super().__init__("wam_cell")
        name = declare(self, "robot", "panda_cell", "Robot file in config/robots, or its path", read_only=True)
        task = declare(self, "task", "reach", "Task of the first scene", read_only=True)
        seed = declare(self, "seed", 0, "Seed of the first scene", (0, 2**31), read_only=True)
        renderer = declare(self, "renderer", "auto", "egl, osmesa, raycast, or auto", read_only=True)
        factor = declare(self, "real_time_factor", 1.0, "Simulated per real time", (0.01, 10.0), read_only=True)
        masses = "Masses of the links, as a multiple of the URDF's"
        link_mass = declare(self, "link_mass", 1.0, masses, (0.1, 10.0), read_only=True)
        state_hz = declare(self, "state_hz", 500.0, "Rate of joint states", (10.0, 500.0), read_only=True)
        declare(self, "demonstrate", False, "Publish the scripted expert's targets as chunks")
        priority = "SCHED_FIFO priority of physics, 0 for none"
        self._priority = declare(self, "realtime_priority", 10, priority, (0, 99), read_only=True)
        self.robot = load_robot(name)
        self.cell = Cell(self.robot, renderer, link_mass)
        self.cell.reset(task, seed)
        self.get_logger().info(f"{self.robot.name}: rendering with {self.cell.renderer}, {factor} x real time")
        # Stamps are dates, so that recordings tell when they were made and a restarted cell does not turn time back.
        self._epoch_ns = time.time_ns()
        control_hz = self.robot.rates.control_hz
        self._period_s = 1.0 / (control_hz * factor)
        self._every = {
            hz: max(1, round(control_hz / hz))
            for hz in (state_hz, CLOCK_HZ, TOUCH_HZ, SUCCESS_HZ, self.robot.rates.camera_hz, self.robot.rates.action_hz)
        }
        self._state_hz = state_hz
        self._patience = round(COMMAND_PATIENCE_S * control_hz)
        self._dynamics = Dynamics(self.robot)
        self._brake = replace(self.robot.gains, stiffness=np.zeros(len(self.robot.joints)))
        self._command: FloatArray | None = None
        self._silent_ticks = 0
        self._braking = False
        self._ticks = 0
        self._slipped_s = 0.0
        self._physics = threading.Lock()

        topics = self.robot.topics
        self._clock_publisher = self.create_publisher(Clock, "/clock", COMMAND)
        self._states = self.create_publisher(JointState, topics.joint_states, SENSOR)
        self._wrench = self.create_publisher(WrenchStamped, topics.wrench, SENSOR)
        self._tactile = self.create_publisher(TactileArray, topics.tactile, SENSOR)
        self._images = {
            c.name: self.create_publisher(conversion.IMAGE_TYPES[c.transport], c.topic, SENSOR)
            for c in self.robot.cameras
        }
        self._senses: dict[Sense, Publisher[Any]] = {
            sense: self.create_publisher(conversion.sense_type(sense), sense.topic, SENSOR)
            for sense in self.robot.senses
        }
        self._wanted: list[Sense] = []
        self._success = self.create_publisher(Bool, "~/success", LATCHED)
        self._instruction = self.create_publisher(String, "~/instruction", LATCHED)
        self._demonstration = self.create_publisher(ActionChunk, DEMONSTRATION_TOPIC, RELIABLE)
        self._told = self.create_publisher(String, INSTRUCTION_TOPIC, LATCHED)
        self._demonstrated = ""
        self._expert = ExpertPolicy(self.cell, np.random.default_rng(seed))
        self._instruction.publish(String(data=self.cell.goal.instruction))
        self._commands = PolledSubscription(self, JointState, topics.joint_command, COMMAND)
        self.create_service(Reset, "~/reset", self._on_reset)
        self._diagnostics = Diagnostics(self, self.robot.name)
        self.create_timer(1.0, self._publish_diagnostics)
        self._cameras = CameraThread(self.cell, self._publish_image, self._publish_sense)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)

    def start(self) -> None:
        self._cameras.start()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5.0)
        self._cameras.stop()

    def _run(self) -> None:
        self.get_logger().info(f"physics thread: {favour_thread(self._priority)}")
        due = time.monotonic()
        while not self._stopping.is_set():
            with self._physics:
                self._tick()
            due += self._period_s
            wait = due - time.monotonic()
            if wait > 0.0:
                time.sleep(wait)
            elif wait < -CATCH_UP_S:
                self._slipped_s -= wait
                due = time.monotonic()
                self.get_logger().warning(
                    f"physics is late: {self._slipped_s:.2f} s slower than real time so far", throttle_duration_sec=10.0
                )

    def _tick(self) -> None:
        """Publish what is measured now, then take one step under the newest command."""
        cell, stamp_ns = self.cell, self._epoch_ns + self.cell.time_ns
        if self._is_due(CLOCK_HZ):
            self._clock_publisher.publish(Clock(clock=conversion.time_message(stamp_ns)))
        state = cell.robot_state()
        if self._is_due(self._state_hz):
            self._states.publish(conversion.joint_state_message(self.robot, state, stamp_ns))
        if self._is_due(TOUCH_HZ):
            self._wrench.publish(conversion.wrench_message(self.robot, state, stamp_ns))
            self._tactile.publish(conversion.tactile_message(self.robot, state, stamp_ns))
        if self._is_due(TOUCH_HZ):
            self._publish_sound(stamp_ns)
        if self._is_due(self.robot.rates.camera_hz):
            self._sense(stamp_ns)
        if self._is_due(self.robot.rates.action_hz):
            self._demonstrate(stamp_ns, cell.goal.instruction if self.get_parameter("demonstrate").value else "")
        if self._is_due(SUCCESS_HZ):
            self._success.publish(Bool(data=cell.success()))
        if (command := self._commands.newest()) is not None:
            self._take(command)
        cell.step(self._effort(state))
        self._ticks += 1

    def _sense(self, stamp_ns: int) -> None:
        """Pictures, and what somebody subscribes to of what goes with them or is as slow."""
        self._wanted = [sense for sense, publisher in self._senses.items() if publisher.get_subscription_count()]
        self.cell.attend([sense.name for sense in self._wanted])
        self._cameras.shoot(stamp_ns, [sense for sense in self._wanted if sense.camera])
        for sense in self._wanted:
            if sense.kind in ("object_pose", "touch_image"):
                self._publish_sense(sense, self.cell.sense(sense.name), stamp_ns)

    def _publish_sound(self, stamp_ns: int) -> None:
        for sense in self._wanted:
            if sense.kind == "sound":
                self._publish_sense(sense, self.cell.sound(round(sense.rate_hz / TOUCH_HZ)), stamp_ns)

    def _demonstrate(self, stamp_ns: int, instruction: str) -> None:
        """Publish the expert's next target, where there is an instruction; no model says then what is being done."""
        if instruction != self._demonstrated:
            self._demonstrated = instruction
            self._told.publish(String(data=instruction))
        if instruction:
            seen = Observation(stamp_ns, {}, self.cell.tool_pose(), instruction)
            self._demonstration.publish(conversion.chunk_message(self.robot, self._expert.act(seen)))

    def _is_due(self, hz: float) -> bool:
        return self._ticks % self._every[hz] == 0

    def _effort(self, state: RobotState) -> FloatArray:
        self._silent_ticks += 1
        if self._command is not None and self._silent_ticks <= self._patience:
            self._braking = False
            return self._command
        if not self._braking:
            self._braking = True
            self.get_logger().warning("no joint command: the arm's own controller brakes and holds against gravity")
        rest = np.zeros(len(self.robot.joints))
        here = Motion(state.position[: len(rest)], rest, rest)
        brake = computed_torque(self._dynamics, self._brake, here, state, 1.0 / self.robot.rates.control_hz)
        return np.concatenate([brake, np.zeros(len(self.robot.fingers.joints))])

    def _take(self, message: JointState) -> None:
        age_ns = self._epoch_ns + self.cell.time_ns - conversion.nanoseconds(message.header.stamp)
        if age_ns > OLDEST_COMMAND_NS:
            self.get_logger().warning(f"command refused: {age_ns / 1e6:.0f} ms old", throttle_duration_sec=10.0)
            return
        try:
            self._command = conversion.command_effort(self.robot, message)
        except ContractError as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        self._silent_ticks = 0

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        """Answers once the cameras have shown the new scene: until then a model would act on the one before."""
        try:
            with self._physics, self._cameras.rendering:
                begin_ns = self._epoch_ns + self.cell.time_ns
                response.instruction = self.cell.reset(request.task, request.seed)
                self._expert = ExpertPolicy(self.cell, np.random.default_rng(request.seed))
                self._command = None
                self._success.publish(Bool(data=False))
        except ContractError as error:
            response.message = str(error)
            return response
        response.success = True
        self._instruction.publish(String(data=response.instruction))
        if not self._cameras.await_images(begin_ns, SHOWN_S):
            self.get_logger().warning(f"no images of the new scene within {SHOWN_S:.0f} s")
        self.get_logger().info(f"{request.task}, seed {request.seed}: {response.instruction}")
        return response

    def _publish_diagnostics(self) -> None:
        values = {
            "renderer": self.cell.renderer,
            "task": self.cell.task,
            "slower than real time (s)": self._slipped_s,
            "frames skipped": self._cameras.skipped,
        }
        self._diagnostics.publish(diagnostics.OK, "braking: no joint command" if self._braking else "running", values)

    def _publish_sense(self, sense: Sense, values: NDArray[np.generic], stamp_ns: int) -> None:
        self._senses[sense].publish(encode_sense(self.robot, sense, values, stamp_ns).data)

    def _publish_image(self, camera: Camera, image: NDArray[np.uint8], stamp_ns: int) -> None:
        self._images[camera.name].publish(conversion.camera_message(camera, image, stamp_ns))


def main(args: list[str] | None = None) -> None:
    # The spin thread must not keep the physics thread waiting for the interpreter.
    sys.setswitchinterval(0.0005)
    print(f"wam_cell: {favour_process(-10)}", flush=True)
    run_node(CellNode, args)


if __name__ == "__main__":
    main()
