"""A running graph that does tasks while something is done to it: cell, executor and model in processes of their own."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from wam_core.cell.tasks import TASKS
from wam_core.evaluation.fault_runs import REST, Heard
from wam_core.realtime import favour_process
from wam_core.robot.robot_file import load_robot
from wam_msgs.action import RunTask
from wam_ros.faults.hosts import two_hosts
from wam_ros.faults.layouts import Layout
from wam_ros.faults.witness import Witness
from wam_ros.graph_client import ACTIVATE, DEACTIVATE, GraphClient
from wam_ros.graph_processes import GraphProcesses
from wam_ros.node_table import Options
from wam_ros.transitions import Transitions

#: Loading a model, and any other answer of a node, may take this long (s).
PATIENCE_S = 120.0
#: An answer that did not come within this time is asked for again (s).
ANSWER_S = 10.0
#: After a task was accepted the arm must move within this time (s).
MOTION_S = 20.0


class FaultGraph:
    """Use as a context manager; whatever happens, no process of it is left."""

    def __init__(
        self, options: Options, checkpoint: Path | None, layout: Layout, show: Callable[[str], None]
    ) -> None:
        """Args:
        checkpoint: the model's folder, where it is not that of the preset in ``options``.
        layout: what stands where.
        show: takes each line that a node prints.
        """
        self.robot = load_robot(options.robot)
        self._layout = layout
        topics = self.robot.topics
        self.processes = GraphProcesses(options, show)
        nodes = layout.nodes(options, [topics.joint_states, *(camera.topic for camera in self.robot.cameras)])
        self.processes.nodes = nodes
        if checkpoint is not None:
            model = {"model": str(checkpoint), "replan_steps": 0}
            nodes["wam_inference"] = replace(nodes["wam_inference"], settings=model)
        self._states_topic = nodes["wam_cell"].remappings.get(topics.joint_states, topics.joint_states)
        self._task: Any = None

    def __enter__(self) -> "FaultGraph":
        favour_process(-10)  # the nodes inherit it, from their first import on
        with ExitStack() as stack:
            if self._layout.apart:
                self.wire = stack.enter_context(two_hosts())
                nodes = self.processes.nodes
                nodes["wam_inference"] = replace(nodes["wam_inference"], prefix=self.wire.prefix)
            self._around = stack.pop_all()
        self._ear = GraphClient("wam_witness", PATIENCE_S)
        topics = self._states_topic, "/wam_inference/action_chunk", "/wam_executor/status"
        self.witness = Witness(self._ear.node, self.robot, *topics)
        self.client = GraphClient("wam_faults", PATIENCE_S)
        self.witness.start()
        try:
            self.start(*self.processes.nodes)
            self.client.wait_until(lambda: self.witness.now_ns > 0, "joint states")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.processes.stop()
        self.witness.stop()
        self.client.__exit__(None, None, None)
        self._ear.__exit__(None, None, None)
        self._around.close()

    def start(self, *names: str) -> None:
        """Start nodes, for the first time or again, and bring those with a life cycle to active.

        Raises:
            TransitionError: one refused, ended or took too long.
        """
        for name in names:
            self.processes.start(name)
        self.activate(*names)

    def activate(self, *names: str) -> None:
        """Wait for nodes that were started; those with a life cycle are active then."""
        with Transitions("wam_faults_start") as transitions:
            for name in names:
                wait = transitions.activate if self.processes.nodes[name].lifecycle else transitions.appear
                wait(name, partial(self.processes.alive, name), PATIENCE_S)

    def forget(self) -> None:
        """Meet the graph anew: requests to a process that was killed, which stays listed for seconds, are lost."""
        self.client.__exit__(None, None, None)
        self.client = GraphClient("wam_faults", PATIENCE_S)
        self._task = None

    def begin(self, task: str, seed: int) -> int:
        """Lay out a scene and set the arm in motion under the model; the ROS time at which the task began.

        Raises:
            RuntimeError: a node refused, or is gone.
            TimeoutError: the arm does not move.
        """
        for name in self.processes.nodes:
            if not self.processes.alive(name):
                raise RuntimeError(f"{name} ended with {self.processes.process(name).returncode}")
        self.end_task()
        client = self.client
        client.clear_e_stop()
        self._expect(client.change_state("wam_executor", DEACTIVATE), "deactivate wam_executor")
        scene = client.reset(task, seed)
        self._expect(scene.success, f"reset wam_cell: {scene.message}")
        self.witness.begin()
        self._expect(client.change_state("wam_executor", ACTIVATE), "activate wam_executor")
        self._task = client.start_task(scene.instruction, TASKS[task].max_seconds)
        began_ns = self.witness.now_ns
        client.wait_until(lambda: self.witness.speed > 10 * REST, f"motion in {task}", MOTION_S)
        return began_ns

    def stop_arm(self) -> None:
        """Press the e-stop."""
        self._expect(self.client.e_stop("wam faults").success, "stop the arm")

    def end_task(self) -> None:
        """Cancel the task that runs, if one does."""
        task, self._task = self._task, None
        if task is None:
            return
        for last in (False, True):
            # A node that hung for longer than its lease is discovered anew: what it was asked meanwhile is lost.
            try:
                cancelled = task.cancel_goal_async()
                self.client.wait_until(cancelled.done, "the cancellation", ANSWER_S)
                self.client.result_of(task, ANSWER_S)
                return
            except TimeoutError:
                if last:
                    raise

    def result(self) -> RunTask.Result:
        """Wait for the end of the task that runs."""
        task, self._task = self._task, None
        return self.client.result_of(task, PATIENCE_S)

    def watch(self, until_ns: int) -> Heard:
        """Go on listening until the arm has passed this ROS time; everything since the task's begin."""
        left_s = max(until_ns - self.witness.now_ns, 0) * 1e-9
        give_up = time.monotonic() + PATIENCE_S + left_s
        while self.witness.now_ns <= until_ns:
            if time.monotonic() > give_up:
                raise TimeoutError("waited in vain for joint states")
            time.sleep(0.002)
        return self.witness.heard()

    def _expect(self, done: bool, what: str) -> None:
        if not done:
            raise RuntimeError(f"could not {what}")
