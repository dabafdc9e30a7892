"""wam_inference: sensors and an instruction in, action chunks and imagined futures out."""

import sys
import time

import torch
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from wam_core.errors import ContractError
from wam_core.policy import Policy, checkpoint_folder, load_policy
from wam_core.provenance import model_record
from wam_core.realtime import favour_process, keep_memory
from wam_core.robot.robot_file import load_robot
from wam_msgs.msg import ActionChunk, ExecutorStatus, ModelInfo, ModelInput, PredictedFuture
from wam_msgs.srv import LoadModel, SetInstruction
from wam_ros import conversion, diagnostics
from wam_ros.diagnostics import Diagnostics
from wam_ros.dial import DialParameters
from wam_ros.inference_loop import InferenceLoop, Outlets
from wam_ros.inference_parameters import declare_parameters
from wam_ros.process import run_node
from wam_ros.qos import LATCHED, RELIABLE
from wam_ros.stages import StageClock
from wam_ros.task_server import TaskServer

DIAGNOSTICS_HZ = 1.0
#: A thread that has an image is not kept waiting for the interpreter longer than this by one that has not (s).
SWITCH_S = 0.0005


class InferenceNode(LifecycleNode):
    def __init__(self) -> None:
        super().__init__("wam_inference")
        declare_parameters(self)
        self._stages = StageClock(self)
        self._dial = DialParameters(self)
        self._stopped = ""
        self._loop: InferenceLoop | None = None

    # ---- lifecycle ------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        value = {name: parameter.value for name, parameter in self.get_parameters_by_prefix("").items()}
        try:
            if value["threads"]:
                torch.set_num_threads(value["threads"])
            self._robot = load_robot(value["robot"])
            policy = self._load(value["model"] or value["name"])
        except ContractError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._outlets = Outlets(
            self.create_lifecycle_publisher(ActionChunk, "~/action_chunk", RELIABLE),
            self.create_lifecycle_publisher(PredictedFuture, "~/future", RELIABLE),
            self.create_publisher(ModelInput, "~/input", RELIABLE),
        )
        self._told = self.create_publisher(String, "/instruction", LATCHED)
        self._model = self.create_publisher(ModelInfo, "~/model", LATCHED)
        self._diagnostics = Diagnostics(self, self._robot.name)
        self._loop = loop = InferenceLoop(self, self._robot, self._outlets, self._stages, self._dial, policy)
        self._say_model()
        self._own_services = (
            self.create_service(LoadModel, "~/load_model", self._on_load_model),
            self.create_service(SetInstruction, "~/set_instruction", self._on_set_instruction),
        )
        self._tasks = TaskServer(self, self._instruct, lambda: loop.count, value["success_topic"])
        self._stopped = ""
        self._status = self.create_subscription(ExecutorStatus, value["status_topic"], self._on_status, RELIABLE)
        self._timer = self.create_timer(1.0 / DIAGNOSTICS_HZ, self._publish_diagnostics)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        self._inference.start()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._tasks.stop("wam_inference was deactivated")
        self._halt()
        self._told.publish(String(data=""))
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._inference.destroy()
        self._loop = None
        self._tasks.destroy()
        self.destroy_subscription(self._status)
        for service in self._own_services:
            self.destroy_service(service)
        self.destroy_timer(self._timer)
        for publisher in (*self._outlets, self._told, self._model):
            self.destroy_publisher(publisher)
        self._dial.release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._halt()
        return TransitionCallbackReturn.SUCCESS

    def stop(self) -> None:
        """End of the process."""
        self._halt()

    def _halt(self) -> None:
        if self._loop is not None:
            self._loop.halt()

    @property
    def _inference(self) -> InferenceLoop:
        """What runs the policy, from configure to cleanup."""
        assert self._loop is not None
        return self._loop

    def _say_model(self) -> None:
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

    # ---- services and tasks ---------------------------------------------------------------------------------------

    def _on_load_model(self, request: LoadModel.Request, response: LoadModel.Response) -> LoadModel.Response:
        if told := self._inference.instruction:
            response.message = f"{told!r} is being followed; end it first, e.g. with set_instruction ''"
            return response
        try:
            policy = self._load(request.model)
        except ContractError as error:
            response.message = str(error)
            self.get_logger().error(f"model not changed: {error}")
            return response
        self._inference.attend(policy)
        self._say_model()
        response.success, response.message = True, _attends_to(policy)
        return response

    def _on_set_instruction(
        self, request: SetInstruction.Request, response: SetInstruction.Response
    ) -> SetInstruction.Response:
        before = self._inference.instruction
        problem = self._instruct(request.instruction)
        response.success = not problem
        response.message = problem or (f"replaces {before!r}" if before else "")
        return response

    def _on_status(self, message: ExecutorStatus) -> None:
        """A latched stop ends what the model was told to do: releasing it must not set the arm in motion."""
        self._stopped = message.latch_reason if message.latched else ""
        heard_ns, loop = conversion.nanoseconds(message.header.stamp), self._inference
        loop.heard(heard_ns, message.sequence, message.mode == "tracking")
        if self._stopped:
            self._tasks.stop(self._stopped)
        if self._stopped and loop.instruction:
            self.get_logger().warning(f"instruction {loop.instruction!r} is dropped, stopped: {self._stopped}")
            self._instruct("")

    def _instruct(self, instruction: str) -> str:
        """Follow ``instruction`` from the next observation on, or none when empty; returns why not."""
        loop = self._loop
        if loop is None or not loop.active:
            return "wam_inference is not active; activate it first"
        if instruction and self._stopped:
            return f"stopped: {self._stopped}; clear the stop first"
        try:
            if instruction:
                loop.policy.check_instruction(instruction)
        except ContractError as error:
            return str(error)
        loop.follow(instruction)
        self._told.publish(String(data=instruction))
        return ""

    def _publish_diagnostics(self) -> None:
        loop = self._inference
        troubles, ages = loop.sensors.health()
        problems = ([loop.problem] if loop.problem else []) + [str(trouble) for trouble in troubles]
        values: dict[str, object] = {"model": loop.policy.name, "instruction": loop.instruction, **ages}
        values |= {"chunks": loop.count, **loop.times.values(), **self._dial.values()}
        if not loop.active:
            self._diagnostics.publish(diagnostics.STALE, "inactive", values)
        elif problems:
            level = diagnostics.ERROR if loop.instruction else diagnostics.WARN
            self._diagnostics.publish(level, problems[0], values)
        elif self._dial.problem:
            self._diagnostics.publish(diagnostics.WARN, self._dial.problem, values)
        else:
            self._diagnostics.publish(diagnostics.OK, "running" if loop.instruction else "no instruction", values)


def _attends_to(policy: Policy) -> str:
    return f"{policy.name}: looks at {', '.join((*policy.cameras, *policy.senses))}"


def main(args: list[str] | None = None) -> None:
    print(f"wam_inference: {favour_process(-10)}, {keep_memory()}", flush=True)
    sys.setswitchinterval(SWITCH_S)
    run_node(InferenceNode, args)


if __name__ == "__main__":
    main()
