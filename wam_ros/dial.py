"""What a chunk may cost, as parameters of wam_inference that change while it runs; and the holding of a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from wam_core.curve import CURVE, Choice, Curve, LatencyBudget, load_curve
from wam_core.dial import Dial
from wam_core.dial_limits import check_dial
from wam_core.errors import ContractError
from wam_core.policy import Policy
from wam_core.preset import Preset

#: Parameters that are a dial, and the one that turns it instead of them.
DIAL, BUDGET = tuple(field.name for field in fields(Dial)), "latency_budget_ms"


class DialParameters:
    """Turns a policy's dial between its chunks: as the parameters say, or, under a budget, as a curve says."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._preset: Preset | None = None
        self._curve: Curve | None = None
        self._budget: LatencyBudget | None = None
        self._choice: Choice | None = None
        self._dial, self._budget_ms = Dial(), 0.0
        node.add_on_set_parameters_callback(self._check)

    def take(self, policy: Policy, folder: Path, digest: str) -> None:
        """Turn ``policy`` from now on, which was loaded from ``folder``; try each point that it may be turned to.

        Raises:
            ContractError: it does not have what the parameters say, or there is no curve of it for a budget.
        """
        preset, value = policy.checkpoint.preset, self._value
        named = value("curve")
        path = Path(named) if named else folder / CURVE
        curve = load_curve(path) if named or path.is_file() else None
        if curve and curve.digest != digest:
            if named or value(BUDGET):
                raise ContractError("curve", f"{path} of {curve.model} {curve.digest[:12]}", f"one of {digest[:12]}")
            curve = None
        check(preset, curve, {name: value(name) for name in (*DIAL, BUDGET)})
        self._preset, self._curve, self._choice = preset, curve, None
        self._budget = LatencyBudget(curve.points) if curve else None
        usual = Dial(*(value(name) for name in DIAL))
        for dial in [p.dial for p in curve.points] if curve and value(BUDGET) else [usual]:
            policy.dial = dial
            policy.warm_up()

    def release(self) -> None:
        """No policy is turned any more."""
        self._preset = self._curve = self._budget = self._choice = None

    def turn(self, policy: Policy) -> None:
        """Before a chunk: what it and its futures go by."""
        self._budget_ms = self._value(BUDGET)
        self._choice = self._budget.choice(self._budget_ms) if self._budget and self._budget_ms else None
        self._dial = self._choice.point.dial if self._choice else Dial(*(self._value(name) for name in DIAL))
        policy.dial = self._dial

    def took(self, seconds: float) -> None:
        """The chunk that followed took so long."""
        if self._choice and self._budget:
            self._budget.took(1e3 * seconds)

    @property
    def problem(self) -> str:
        """What a budget asks for in vain; empty where it is held or there is none."""
        choice = self._choice
        if choice is None or choice.fits:
            return ""
        here = f"the fastest point of the curve ({choice.point.dial}) takes {choice.expected_ms:.1f} ms here"
        return f"no chunk fits {BUDGET} {self._budget_ms:g} ms: {here}"

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        said: dict[str, object] = {"dial": str(self._dial)}
        if self._choice and self._budget:
            said |= {
                "latency budget (ms)": self._budget_ms,
                "expected of 19 in 20 chunks (ms)": self._choice.expected_ms,
                "times as slow as the curve": self._budget.slowness,
                "success on the curve": self._choice.point.success,
            }
        return said

    def _value(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        changed = {c.name: c.value for c in changes if c.name in (*DIAL, BUDGET)}
        if changed and self._preset is not None:
            now = {name: self._value(name) for name in (*DIAL, BUDGET)}
            try:
                check(self._preset, self._curve, now | changed)
            except ContractError as error:
                return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def check(preset: Preset, curve: Curve | None, value: Mapping[str, Any]) -> None:
    """Raise :class:`ContractError` for values of the parameters that ``preset`` and its curve cannot follow."""
    check_dial(Dial(*(value[name] for name in DIAL)), preset)
    if value[BUDGET] and curve is None:
        raise ContractError(BUDGET, value[BUDGET], f"0: there is no curve of {preset.name}; `wam bench curve` makes it")
    for point in curve.points if curve else ():
        check_dial(point.dial, preset)
