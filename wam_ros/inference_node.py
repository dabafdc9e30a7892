"""wam_inference: sensors and an instruction in, action chunks and imagined futures out."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from wam_core.continuation import Progress
from wam_core.contract import ActionChunk, Committed, Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.provenance import input_record, model_record
from wam_core.realtime import favour_process, keep_memory
from wam_core.robot.robot_file import load_robot
from wam_msgs.msg import ActionChunk as ActionChunkMessage
from wam_msgs.msg import ExecutorStatus, ModelInfo, ModelInput, PredictedFuture
from wam_msgs.srv import LoadModel, SetInstruction
from wam_ros import conversion, diagnostics
from wam_ros.chunk_times import ChunkTimes
from wam_ros.diagnostics import Diagnostics
from wam_ros.dial import DialParameters
from wam_ros.inference_parameters import AUTO, declare_parameters
from wam_ros.process import run_node
from wam_ros.qos import LATCHED, RELIABLE
from wam_ros.sensors import Sensors
from wam_ros.stages import StageClock
from wam_ros.streams import StreamError
from wam_ros.task_server import TaskServer

DIAGNOSTICS_HZ = 1.0
#: The queues of the fast sensors are read at least this often (s).
READ_S = 0.01
#: A thread that has an image is not kept waiting for the interpreter longer than this by one that has not (s).
SWITCH_S = 0.0005


class InferenceNode(LifecycleNode):
    def __init__(self) -> None:
        super().__init__("wam_inference")
        declare_parameters(self)
        self._stages = StageClock(self)
        self._dial = DialParameters(self)
        self._policy: Policy | None = None
        self._instruction = ""
        self._stopped = ""
        self._active = False
        self._told_lock = threading.Lock()
        self._model_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # ---- lifecycle ------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        value = {name: parameter.value for name, parameter in self.get_parameters_by_prefix("").items()}
        try:
            if value["threads"]:
                torch.set_num_threads(value["threads"])
            self._robot = load_robot(value["robot"])
            self._policy = self._load(value["model"] or value["name"])
        except ContractError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._chunks = self.create_lifecycle_publisher(ActionChunkMessage, "~/action_chunk", RELIABLE)
        self._futures = self.create_lifecycle_publisher(PredictedFuture, "~/future", RELIABLE)
        self._told = self.create_publisher(String, "/instruction", LATCHED)
        self._model = self.create_publisher(ModelInfo, "~/model", LATCHED)
        self._inputs = self.create_publisher(ModelInput, "~/input", RELIABLE)
        self._diagnostics = Diagnostics(self, self._robot.name)
        self._attend(self._policy)
        self._own_services = (
            self.create_service(LoadModel, "~/load_model", self._on_load_model),
            self.create_service(SetInstruction, "~/set_instruction", self._on_set_instruction),
        )
        self._tasks = TaskServer(self, self._instruct, lambda: self._count, value["success_topic"])
        self._stopped = ""
        self._status = self.create_subscription(ExecutorStatus, value["status_topic"], self._on_status, RELIABLE)
        self._timer = self.create_timer(1.0 / DIAGNOSTICS_HZ, self._publish_diagnostics)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._active = True
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tasks.stop("wam_inference was deactivated")
        self._halt()
        self._told.publish(String(data=""))
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        self._sensors.destroy()
        self._tasks.destroy()
        self.destroy_subscription(self._status)
        for service in self._own_services:
            self.destroy_service(service)
        self.destroy_timer(self._timer)
        for publisher in (self._chunks, self._futures, self._told, self._model, self._inputs):
            self.destroy_publisher(publisher)
        self._policy = None
        self._dial.release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        return TransitionCallbackReturn.SUCCESS

    def stop(self) -> None:
        """End of the process."""
        self._halt()

    def _halt(self) -> None:
        with self._told_lock:
            self._active = False
            self._instruction = ""
        if self._thread is not None:
            self._thread.join(timeout=10.0)
            self._thread = None

    def _attend(self, policy: Policy) -> None:
        """Use ``policy`` and look at what it looks at."""
        self._policy = policy
        self._times, self._count = ChunkTimes(), 0
        self._newest: ActionChunk | None = None
        self._progress = Progress()
        self._problem = ""
        self._imagined_s = float("-inf")
        self._sensors = Sensors(self, self._robot, policy.cameras, policy.senses)
        self._model.publish(conversion.model_message(self._record, self.get_clock().now().nanoseconds))

    def _load(self, model: str) -> Policy:
        begin = time.monotonic()
        chosen = {name: self.get_parameter(name).value for name in ("runtime", "preprocess")}
        policy = load_policy(model, self._robot, **chosen)
        threads = torch.get_num_threads()
        self._record = model_record(policy, checkpoint_folder(model), threads)
        self._stages.watch(policy)
        self._dial.take(policy, checkpoint_folder(model), self._record.digest)
        took = time.monotonic() - begin
        self.get_logger().info(f"{_attends_to(policy)}; {threads} threads; {took:.1f} s to load and warm up")
        return policy

    # ---- inference thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        assert self._policy is not None
        self._attempt(self._policy.warm_up)  # again, in the thread that computes: memory is a thread's own
        while self._active:
            self._attempt(self._answer)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._problem = ""
        except (StreamError, ContractError) as error:
            self._fail(str(error))
        except Exception as error:  # a model must not go silent: whatever it is, it is said again and again
            self._fail(f"{type(error).__name__}: {error}")

    def _answer(self) -> None:
        self._await_images()
        with self._model_lock:
            self._look(self._instruction)

    def _await_images(self) -> None:
        """Return with the next images, or when they are late. What else comes meanwhile is read, so that they need not
        wait for that."""
        late_s = time.monotonic() + self._robot.staleness.image_s
        came = False
        while self._active and not came and time.monotonic() < late_s:
            self._sensors.wait(READ_S)
            with self._model_lock:  # another model may be taken into use, and its sensors
                came = self._sensors.read()

    def _fail(self, problem: str) -> None:
        self._problem = problem
        self.get_logger().error(f"no chunk: {problem}", throttle_duration_sec=1.0)

    def _look(self, instruction: str) -> None:
        if self._active and instruction:
            observation = self._sensors.observe(instruction)
            self._stages.begin(self._sensors.received_ns())
            if self._is_due(observation.stamp_ns) or (self._policy and self._policy.parted(observation)):
                self._predict(observation)
            else:
                self._correct(observation)

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether this is the last observation whose chunk can arrive before the steps in progress are used up."""
        before, policy = self._newest, self._policy
        if before is None or policy is None or stamp_ns < before.stamp_ns:
            return True
        replan_steps = self.get_parameter("replan_steps").value or policy.replan_steps
        needed_ns = before.stamp_ns + replan_steps * before.step_ns
        next_image_ns = round(1e9 / self._robot.rates.camera_hz)
        return stamp_ns > before.stamp_ns and stamp_ns + next_image_ns + round(self._times.expected_s * 1e9) > needed_ns

    def _predict(self, observation: Observation) -> None:
        assert self._policy is not None
        seam = self.get_parameter("seam").value
        if seam == AUTO:
            seam = "real_time_chunking" if self._policy.goes_on else "none"
        committed = self._progress.committed(seam, observation.stamp_ns)
        self._dial.turn(self._policy)
        begin = time.monotonic()
        chunk = self._policy.act(observation, committed)
        took = time.monotonic() - begin
        self._stages.mark("answered")
        self._dial.took(took)
        self._times.answered(took)
        if self._publish(replace(chunk, inference_ns=round(took * 1e9)), observation, committed):
            self._imagine()

    def _correct(self, observation: Observation) -> None:
        """The rest of the chunk in progress, where the model's reflex changes it."""
        assert self._policy is not None
        chunk = self._policy.corrected(observation)
        with self._told_lock:
            if chunk is not None and self._active and self._instruction == observation.instruction:
                self._chunks.publish(conversion.chunk_message(self._robot, chunk))
                self._progress.sent(chunk, self.get_clock().now().nanoseconds)

    def _publish(self, chunk: ActionChunk, observation: Observation, committed: Committed | None) -> bool:
        """Whether the chunk still answers what the model is told to do, and was published."""
        with self._told_lock:
            if not self._active or self._instruction != observation.instruction:
                return False
            message = conversion.chunk_message(self._robot, chunk)
            self._stages.mark("published")
            self._chunks.publish(message)
            self._stages.publish(chunk)
            self._newest = chunk
            self._progress.sent(chunk, self.get_clock().now().nanoseconds)
            self._count += 1
        if self._inputs.get_subscription_count():
            assert self._policy is not None
            used = input_record(self._policy, observation, chunk.sequence, committed)
            self._inputs.publish(conversion.input_message(self._robot, used))
        return True

    def _imagine(self) -> None:
        """Show what the chunk goes with, after the chunk: nobody's looking delays the arm."""
        assert self._policy is not None
        mode = self.get_parameter("imagine").value
        if mode == "never" or (mode == "auto" and not self._futures.get_subscription_count()):
            return
        begin = time.monotonic()
        if begin - self._imagined_s < self.get_parameter("imagine_period_s").value:
            return
        self._imagined_s = begin
        futures = self._policy.imagine()
        self._times.imagined(time.monotonic() - begin)
        for future in futures:
            self._futures.publish(conversion.future_message(self._robot, future, self._policy.name))

    # ---- services and tasks (spin thread) -------------------------------------------------------------------------

    def _on_load_model(self, request: LoadModel.Request, response: LoadModel.Response) -> LoadModel.Response:
        if self._instruction:
            response.message = f"{self._instruction!r} is being followed; end it first, e.g. with set_instruction ''"
            return response
        try:
            policy = self._load(request.model)
        except ContractError as error:
            response.message = str(error)
            self.get_logger().error(f"model not changed: {error}")
            return response
        with self._model_lock:
            self._sensors.destroy()
            self._attend(policy)
        response.success, response.message = True, _attends_to(policy)
        return response

    def _on_set_instruction(
        self, request: SetInstruction.Request, response: SetInstruction.Response
    ) -> SetInstruction.Response:
        before = self._instruction
        problem = self._instruct(request.instruction)
        response.success = not problem
        response.message = problem or (f"replaces {before!r}" if before else "")
        return response

    def _on_status(self, message: ExecutorStatus) -> None:
        """A latched stop ends what the model was told to do: releasing it must not set the arm in motion."""
        self._stopped = message.latch_reason if message.latched else ""
        heard_ns = conversion.nanoseconds(message.header.stamp)
        with self._told_lock:
            self._progress.heard(heard_ns, message.sequence, message.mode == "tracking")
        if self._stopped:
            self._tasks.stop(self._stopped)
        if self._stopped and self._instruction:
            self.get_logger().warning(f"instruction {self._instruction!r} is dropped, stopped: {self._stopped}")
            self._instruct("")

    def _instruct(self, instruction: str) -> str:
        """Follow ``instruction`` from the next observation on, or none when empty; returns why not."""
        if not self._active:
            return "wam_inference is not active; activate it first"
        if instruction and self._stopped:
            return f"stopped: {self._stopped}; clear the stop first"
        assert self._policy is not None
        try:
            if instruction:
                self._policy.check_instruction(instruction)
        except ContractError as error:
            return str(error)
        with self._told_lock:
            self._instruction = instruction
            self._newest = None
            self._progress.forget()
        self._told.publish(String(data=instruction))
        return ""

    def _publish_diagnostics(self) -> None:
        troubles, ages = self._sensors.health()
        problems = ([self._problem] if self._problem else []) + [str(trouble) for trouble in troubles]
        name = self._policy.name if self._policy else ""
        values: dict[str, object] = {"model": name, "instruction": self._instruction, **ages}
        values |= {"chunks": self._count, **self._times.values(), **self._dial.values()}
        if not self._active:
            self._diagnostics.publish(diagnostics.STALE, "inactive", values)
        elif problems:
            level = diagnostics.ERROR if self._instruction else diagnostics.WARN
            self._diagnostics.publish(level, problems[0], values)
        elif self._dial.problem:
            self._diagnostics.publish(diagnostics.WARN, self._dial.problem, values)
        else:
            self._diagnostics.publish(diagnostics.OK, "running" if self._instruction else "no instruction", values)


def _attends_to(policy: Policy) -> str:
    return f"{policy.name}: looks at {', '.join((*policy.cameras, *policy.senses))}"


def main(args: list[str] | None = None) -> None:
    print(f"wam_inference: {favour_process(-10)}, {keep_memory()}", flush=True)
    sys.setswitchinterval(SWITCH_S)
    run_node(InferenceNode, args)


if __name__ == "__main__":
    main()
