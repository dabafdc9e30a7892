"""What the executor hears beside joint states: touch, a person who takes the arm, a dead-man switch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from std_msgs.msg import Bool

from wam_core.contract import FloatArray, RobotState
from wam_core.errors import ContractError
from wam_core.executor.executor import Executor
from wam_core.robot.contract import RobotContract
from wam_msgs.msg import TactileArray
from wam_ros import conversion
from wam_ros.polled import PolledSubscription
from wam_ros.qos import RELIABLE, SENSOR


class SafetyInputs:
    """Subscriptions to what the robot file names, and to nothing else. To be read from the control thread."""

    def __init__(self, node: Node, robot: RobotContract, executor: Executor, complain: Callable[[str], object]) -> None:
        safety, limits = robot.safety, robot.safety.contact
        self._robot, self._executor, self._complain = robot, executor, complain
        self._oldest_ns = round(robot.staleness.state_s * 1e9)
        self._values: dict[str, tuple[int, FloatArray]] = {}
        self._touch: dict[str, tuple[PolledSubscription, Callable[[Any], FloatArray]]] = {}
        if limits.force or limits.torque:
            wrench = PolledSubscription(node, WrenchStamped, robot.topics.wrench, SENSOR)
            self._touch["wrench"] = (wrench, conversion.wrench_values)
        if limits.taxel:
            tactile = PolledSubscription(node, TactileArray, robot.topics.tactile, SENSOR)
            self._touch["tactile"] = (tactile, lambda message: conversion.tactile_force(robot, message))
        self._override = self._listen(node, safety.override_topic)
        self._dead_man = self._listen(node, safety.dead_man_topic)

    def read(self, state: RobotState | None, now_ns: int) -> RobotState | None:
        """``state`` with what was felt not longer than the contract's ``state_s`` before now; tells the executor what
        people want."""
        if self._override is not None and (message := self._override.newest()) is not None:
            self._executor.override(message.data)
        if self._dead_man is not None and (message := self._dead_man.newest()) is not None:
            self._executor.dead_man(message.data, now_ns)
        for name, (subscription, values) in self._touch.items():
            if (message := subscription.newest()) is None:
                continue
            try:
                self._values[name] = (conversion.nanoseconds(message.header.stamp), values(message))
            except ContractError as error:
                self._complain(str(error))
        if state is None or not self._touch:
            return state
        fresh = {name: felt for name, (stamp, felt) in self._values.items() if now_ns - stamp <= self._oldest_ns}
        return replace(state, **fresh)  # type: ignore[arg-type]

    def destroy(self) -> None:
        touch = [subscription for subscription, _ in self._touch.values()]
        for subscription in (*touch, self._override, self._dead_man):
            if subscription is not None:
                subscription.destroy()

    def _listen(self, node: Node, topic: str) -> PolledSubscription | None:
        return PolledSubscription(node, Bool, topic, RELIABLE) if topic else None
