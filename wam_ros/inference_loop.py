"""wam_inference's own thread: the next images are looked at, answered with a chunk, and shown as futures after it."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from rclpy.node import Node
from rclpy.publisher import Publisher

from wam_core.continuation import Progress
from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy
from wam_core.provenance import input_record
from wam_core.robot.contract import RobotContract
from wam_ros import conversion
from wam_ros.chunk_times import ChunkTimes
from wam_ros.dial import DialParameters
from wam_ros.inference_parameters import AUTO
from wam_ros.sensors import Sensors
from wam_ros.stages import StageClock
from wam_ros.streams import StreamError

#: The queues of the fast sensors are read at least this often (s).
READ_S = 0.01


class Outlets(NamedTuple):
    """Publishers of what a model says, and of what it said it of."""

    chunks: Publisher
    futures: Publisher
    inputs: Publisher


class InferenceLoop:
    """Runs one policy at a time, from :meth:`start` to :meth:`halt`. Its methods are called from the spin thread.

    Attributes:
        policy: what it runs. active: whether it does.
        instruction: what the policy is told to do; empty: nothing.
        count, times: chunks that were published since the policy was taken into use, and how long they took.
        problem: why the last look gave no chunk, "" when it did.
        sensors: what the policy looks at.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotContract,
        outlets: Outlets,
        stages: StageClock,
        dial: DialParameters,
        policy: Policy,
    ) -> None:
        self.active, self.instruction = False, ""
        self._node, self._robot, self._outlets = node, robot, outlets
        self._stages, self._dial = stages, dial
        self._told_lock, self._model_lock = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._newest: ActionChunk | None = None
        self._take(policy)

    def attend(self, policy: Policy) -> None:
        """Use ``policy`` from the next observation on, and look at what it looks at."""
        with self._model_lock:
            self.sensors.destroy()
            self._take(policy)

    def start(self) -> None:
        self.active = True
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def halt(self) -> None:
        """End the thread; what the policy was told to do is forgotten."""
        with self._told_lock:
            self.active = False
            self.instruction = ""
        if self._thread is not None:
            self._thread.join(timeout=10.0)
            self._thread = None

    def destroy(self) -> None:
        self.halt()
        self.sensors.destroy()

    def follow(self, instruction: str) -> None:
        """Do as told from the next observation on."""
        with self._told_lock:
            self.instruction = instruction
            self._newest = None
            self._progress.forget()

    def heard(self, stamp_ns: int, sequence: int, tracking: bool) -> None:
        """The executor said which chunk it had taken over last, and whether it follows it."""
        with self._told_lock:
            self._progress.heard(stamp_ns, sequence, tracking)

    def _take(self, policy: Policy) -> None:
        self.policy = policy
        self.times, self.count, self.problem = ChunkTimes(), 0, ""
        self._newest = None
        self._progress = Progress()
        self._imagined_s = float("-inf")
        self.sensors = Sensors(self._node, self._robot, policy.cameras, policy.senses)

    # ---- its thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._attempt(self.policy.warm_up)  # again, in the thread that computes: memory is a thread's own
        while self.active:
            self._attempt(self._answer)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
            self.problem = ""
        except (StreamError, ContractError) as error:
            self._fail(str(error))
        except Exception as error:  # a model must not go silent: whatever it is, it is said again and again
            self._fail(f"{type(error).__name__}: {error}")

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self._node.get_logger().error(f"no chunk: {problem}", throttle_duration_sec=1.0)

    def _answer(self) -> None:
        self._await_images()
        with self._model_lock:
            self._look(self.instruction)

    def _await_images(self) -> None:
        """Return with the next images, or when they are late. What else comes meanwhile is read, so that they need not
        wait for that."""
        late_s = time.monotonic() + self._robot.staleness.image_s
        came = False
        while self.active and not came and time.monotonic() < late_s:
            self.sensors.wait(READ_S)
            with self._model_lock:  # another model may be taken into use, and its sensors
                came = self.sensors.read()

    def _look(self, instruction: str) -> None:
        if self.active and instruction:
            observation = self.sensors.observe(instruction)
            self._stages.begin(self.sensors.received_ns())
            if self._is_due(observation.stamp_ns) or self.policy.parted(observation):
                self._predict(observation)
            else:
                self._correct(observation)

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether this is the last observation whose chunk can arrive before the steps in progress are used up."""
        before = self._newest
        if before is None or stamp_ns < before.stamp_ns:
            return True
        replan_steps = self._node.get_parameter("replan_steps").value or self.policy.replan_steps
        needed_ns = before.stamp_ns + replan_steps * before.step_ns
        next_image_ns = round(1e9 / self._robot.rates.camera_hz)
        return stamp_ns > before.stamp_ns and stamp_ns + next_image_ns + round(self.times.expected_s * 1e9) > needed_ns

    def _predict(self, observation: Observation) -> None:
        seam = self._node.get_parameter("seam").value
        if seam == AUTO:
            seam = "real_time_chunking" if self.policy.goes_on else "none"
        committed = self._progress.committed(seam, observation.stamp_ns)
        self._dial.turn(self.policy)
        begin = time.monotonic()
        chunk = self.policy.act(observation, committed)
        took = time.monotonic() - begin
        self._stages.mark("answered")
        self._dial.took(took)
        self.times.answered(took)
        if self._publish(replace(chunk, inference_ns=round(took * 1e9)), observation, committed):
            self._imagine()

    def _correct(self, observation: Observation) -> None:
        """The rest of the chunk in progress, where the model's reflex changes it."""
        chunk = self.policy.corrected(observation)
        with self._told_lock:
            if chunk is not None and self.active and self.instruction == observation.instruction:
                self._outlets.chunks.publish(conversion.chunk_message(self._robot, chunk))
                self._progress.sent(chunk, self._node.get_clock().now().nanoseconds)

    def _publish(self, chunk: ActionChunk, observation: Observation, committed: Committed | None) -> bool:
        """Whether the chunk still answers what the model is told to do, and was published."""
        with self._told_lock:
            if not self.active or self.instruction != observation.instruction:
                return False
            message = conversion.chunk_message(self._robot, chunk)
            self._stages.mark("published")
            self._outlets.chunks.publish(message)
            self._stages.publish(chunk)
            self._newest = chunk
            self._progress.sent(chunk, self._node.get_clock().now().nanoseconds)
            self.count += 1
        if self._outlets.inputs.get_subscription_count():
            used = input_record(self.policy, observation, chunk.sequence, committed)
            self._outlets.inputs.publish(conversion.input_message(self._robot, used))
        return True

    def _imagine(self) -> None:
        """Show what the chunk goes with, after the chunk: nobody's looking delays the arm."""
        mode = self._node.get_parameter("imagine").value
        if mode == "never" or (mode == "auto" and not self._outlets.futures.get_subscription_count()):
            return
        begin = time.monotonic()
        if begin - self._imagined_s < self._node.get_parameter("imagine_period_s").value:
            return
        self._imagined_s = begin
        futures = self.policy.imagine()
        self.times.imagined(time.monotonic() - begin)
        for future in futures:
            self._outlets.futures.publish(conversion.future_message(self._robot, future, self.policy.name))
