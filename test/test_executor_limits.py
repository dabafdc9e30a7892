"""Whatever arrives, commands stay within the robot contract; an independent checker looks at them."""

import mujoco
import numpy as np
from executor_harness import HOME_POSE, ROBOT, Rig, chunk, line, violations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wam_core.contract import ActionChunk
from wam_core.executor.seams import SEAMS
from wam_core.executor.settings import ExecutorSettings
from wam_core.paths import share_path

JOINT_NAMES = (*ROBOT.joints, "gripper")


def wild_values(rng: np.random.Generator, space: str, scale: float) -> np.ndarray:
    """A chunk that may be smooth, noisy, oscillating, or jump anywhere in (or a little out of) range."""
    horizon = int(rng.integers(1, 12))
    if space == "ee_pose":
        low = np.concatenate([ROBOT.workspace.lower - 0.1, np.full(3, -6.0), [-0.5]])
        high = np.concatenate([ROBOT.workspace.upper + 0.1, np.full(3, 6.0), [1.5]])
        centre = HOME_POSE
    else:
        low, high = np.append(ROBOT.limits.lower - 0.1, -0.5), np.append(ROBOT.limits.upper + 0.1, 1.5)
        centre = np.append(ROBOT.home, 0.5)
    jump = rng.uniform(low, high, (horizon, len(low)))
    values = centre + scale * (jump - centre)
    if rng.random() < 0.3:
        values[1::2] = values[0]
    if rng.random() < 0.05:
        values[rng.integers(horizon), rng.integers(len(low))] = rng.choice([np.nan, np.inf, -np.inf, 1e300])
    return values


def wild_chunk(rng: np.random.Generator, now_ns: int, scale: float) -> ActionChunk:
    """A chunk in either space whose steps may be early, late, dense or sparse."""
    space = str(rng.choice(["ee_pose", "joint_position"]))
    start_ns = now_ns + int(rng.integers(-2e8, 3e8))
    return chunk(
        wild_values(rng, space, scale),
        min(start_ns, now_ns) - int(rng.integers(0, 1e8)),
        start_ns=start_ns,
        space=space,
        names=ROBOT.action.names if space == "ee_pose" else JOINT_NAMES,
        step_ns=int(rng.integers(1e7, 2e8)),
    )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.05, 0.3, 1.0]), seam=st.sampled_from(sorted(SEAMS)))
def test_commands_never_leave_the_limits(seed: int, scale: float, seam: str) -> None:
    """Law: random chunks, irregular ticks, lost states and stops never yield a command beyond a limit."""
    rng = np.random.default_rng(seed)
    rig = Rig(settings=ExecutorSettings(seam=seam))
    for _ in range(6):
        rig.executor.accept(wild_chunk(rng, rig.now_ns, scale), rig.now_ns)
        for _ in range(int(rng.integers(5, 60))):
            lost = rng.random() < 0.01
            dt_ns = int(rng.integers(500_000, 20_000_000)) if rng.random() < 0.2 else 2_000_000
            rig.tick(dt_ns=dt_ns, **({"state": None} if lost else {}))
        if rng.random() < 0.15:
            rig.executor.stop("test")
        if rng.random() < 0.3:
            rig.executor.clear()
    assert violations(rig.commands) == []


def test_riding_the_joint_limits() -> None:
    """A chunk that demands a joint's bound must end there, not beyond it and not far from it."""
    rig = Rig()
    rig.tick()
    goal = rig.position.copy()
    goal[6] = ROBOT.limits.upper[6] + 0.05
    goal[7] = 1.0
    rig.send(np.tile(goal, (4, 1)), space="joint_position", names=JOINT_NAMES)
    rig.tick(1500)
    assert violations(rig.commands) == []
    np.testing.assert_allclose(rig.position[6], ROBOT.limits.upper[6], atol=0.01)


def test_diving_at_the_table_stops_at_the_box() -> None:
    """A fast descent to below the table is the classic failure of a confused policy."""
    rig = Rig()
    rig.tick()
    rig.send(line((0.0, 0.0, -0.06), horizon=8))
    rig.tick(1500)
    assert violations(rig.commands) == []
    assert rig.tool(rig.commands[-1])[2] >= ROBOT.workspace.lower[2]


def test_gripper_reference_is_velocity_limited() -> None:
    """A gripper that slams shut breaks what it grasps."""
    rig = Rig(start=np.append(ROBOT.home, 0.0))
    rig.tick()
    opened = np.tile(HOME_POSE, (4, 1))
    opened[:, 6] = 1.5
    rig.send(opened)
    rig.tick(600)
    finger = np.array([c.position[-1] for c in rig.commands])
    assert np.max(np.abs(np.diff(finger))) <= ROBOT.gripper.velocity * 0.002 + 1e-12
    assert finger[-1] == ROBOT.gripper.open


def test_folding_onto_itself_stops_before_contact() -> None:
    """A joint chunk that folds the hand onto the forearm; MuJoCo, which the filters do not use, finds no contact."""
    spec = mujoco.MjSpec.from_file(str(share_path(ROBOT.urdf)))
    spec.compiler.fusestatic = False
    model = spec.compile()
    data = mujoco.MjData(model)
    open_hand = np.array([-1.683, -0.449, 1.584, -2.001, 1.173, 0.8, -0.838, 0.02])
    folded = np.append(open_hand[:5], [0.0, -0.838, 0.5])
    rig = Rig(start=open_hand)
    rig.tick()
    rig.send(np.tile(folded, (8, 1)), space="joint_position", names=JOINT_NAMES)
    rig.tick(500)
    assert "SELF_COLLISION" in rig.executor.status().reason_counts
    assert violations(rig.commands) == []
    addresses = [model.joint(name).qposadr[0] for name in ROBOT.joints]

    def touches(q: np.ndarray) -> bool:
        data.qpos[addresses] = q
        mujoco.mj_forward(model, data)
        bodies = [model.geom_bodyid[[c.geom1, c.geom2]] for c in data.contact[: data.ncon]]
        return any(abs(int(pair[0]) - int(pair[1])) > 2 for pair in bodies)

    assert touches(folded[:-1])
    assert not any(touches(command.position[:-1]) for command in rig.commands[::20])
