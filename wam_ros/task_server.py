"""The RunTask action: an instruction is followed until success, time-out, cancellation or a stop."""

from collections.abc import Callable

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_msgs.msg import Bool

from wam_msgs.action import RunTask
from wam_ros.qos import LATCHED

FEEDBACK_HZ = 10.0


class TaskServer:
    """One task at a time, on the node's own executor."""

    def __init__(
        self,
        node: LifecycleNode,
        instruct: Callable[[str], str],
        chunk_count: Callable[[], int],
        success_topic: str,
    ) -> None:
        """Args:
        instruct: follows an instruction, or none when it is empty; returns why not.
        chunk_count: chunks published so far.
        success_topic: std_msgs/Bool; where nothing is published on it, tasks run until time-out or cancellation.
        """
        self._node, self._instruct, self._chunk_count = node, instruct, chunk_count
        self._running = False
        self._succeeded = False
        self._stopped = ""
        self._next_look: Future = Future()
        self._subscription = node.create_subscription(Bool, success_topic, self._on_success, LATCHED)
        self._server = ActionServer(
            node,
            RunTask,
            "~/run_task",
            self._execute,
            goal_callback=self._on_goal,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
        )
        # Of the steady clock: a simulation that stands still must not keep a cancellation waiting.
        self._timer = node.create_timer(1.0 / FEEDBACK_HZ, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def destroy(self) -> None:
        self._server.destroy()
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def stop(self, reason: str) -> None:
        """End the running task, if there is one: the arm was stopped."""
        self._stopped = reason

    def _on_success(self, message: Bool) -> None:
        self._succeeded = message.data

    def _look(self) -> None:
        look, self._next_look = self._next_look, Future()
        look.set_result(None)

    def _on_goal(self, request: RunTask.Goal) -> GoalResponse:
        if self._running:
            self._node.get_logger().error(f"task refused, another one is running: {request.instruction!r}")
            return GoalResponse.REJECT
        self._running = True
        return GoalResponse.ACCEPT

    async def _execute(self, goal: ServerGoalHandle) -> RunTask.Result:
        clock, request = self._node.get_clock(), goal.request
        begin_ns, begin_count, elapsed_s = 0, self._chunk_count(), 0.0
        self._succeeded, self._stopped = False, ""
        reason = self._refusal(request)
        try:
            while not reason:
                await self._next_look
                now_ns = clock.now().nanoseconds
                begin_ns = begin_ns or now_ns  # zero until a node that was just started hears simulated time
                elapsed_s = (now_ns - begin_ns) / 1e9
                chunks = self._chunk_count() - begin_count
                reason = self._ending(goal, elapsed_s)
                goal.publish_feedback(
                    RunTask.Feedback(
                        elapsed_s=elapsed_s,
                        progress=min(elapsed_s / request.timeout_s, 1.0),
                        chunks=chunks,
                        state="running" if chunks else "waiting for the first chunk",
                    )
                )
        finally:
            self._instruct("")
            self._running = False
        result = RunTask.Result(success=reason == "done", reason=reason, duration_s=elapsed_s)
        self._node.get_logger().info(f"task {request.instruction!r}: {reason} after {result.duration_s:.1f} s")
        if result.success:
            goal.succeed()
        elif reason == "cancelled":
            goal.canceled()
        else:
            goal.abort()
        return result

    def _refusal(self, request: RunTask.Goal) -> str:
        if not request.timeout_s > 0.0:
            return f"timeout_s: got {request.timeout_s}, expected more than zero"
        if not request.instruction:
            return "instruction: got '', expected what to do"
        return self._instruct(request.instruction)

    def _ending(self, goal: ServerGoalHandle, elapsed_s: float) -> str:
        if goal.is_cancel_requested:
            return "cancelled"
        if self._succeeded:
            return "done"
        if self._stopped:
            return f"stopped: {self._stopped}"
        return "timeout" if elapsed_s > goal.request.timeout_s else ""
