"""Whether an intervention was due: found from the chunk itself and MuJoCo's contacts, without the filters' code."""

from collections.abc import Collection

import mujoco
import numpy as np

from wam_core.cell.scene import Scene
from wam_core.cell.sensors import FINGERS, HAND
from wam_core.contract import ActionChunk, FloatArray
from wam_core.robot.contract import RobotContract

#: What each kind of reason is due to.
PRESSING = frozenset({"TAXEL_FORCE", "CONTACT_FORCE"})
OVERREACHING = frozenset({"DEMAND_RANGE", "DEMAND_SPEED", "TOOL_SPEED", "STOP_SPEED", "WORKSPACE"})


def presses(robot: RobotContract, scene: Scene) -> bool:
    """Whether a finger is pressed, or the hand pushed, harder now than the robot file allows.

    A finger is pressed by the sum of the normal forces of its contacts (N), the hand pushed by the sum of the forces of
    what it touches (N), but for itself.
    """
    model, data, limits = scene.model, scene.data, robot.safety.contact
    hand = model.body(HAND).id
    fingers = {int(model.body(name).id): 0.0 for name in FINGERS.values()}
    push, force = np.zeros(3), np.zeros(6)
    for index in range(data.ncon):
        contact = data.contact[index]
        bodies = [int(model.geom_bodyid[geom]) for geom in contact.geom]
        touching = fingers.keys() & set(bodies)
        ours = [body == hand or body in fingers for body in bodies]
        if not any(ours):
            continue
        mujoco.mj_contactForce(model, data, index, force)
        for finger in touching:
            fingers[finger] += float(force[0])
        if not all(ours):
            away = contact.frame.reshape(3, 3).T @ force[:3]  # on the second of the two
            push += away if ours[1] else -away
    return max(fingers.values()) > limits.taxel or float(np.linalg.norm(push)) > limits.force


def overreaches(robot: RobotContract, chunk: ActionChunk, here: FloatArray) -> bool:
    """Whether a chunk of tool poses says by itself to leave the workspace box, or to be faster than the tool may be,
    from one step to the next or from ``here [3]`` (m), where the tool is at the chunk's stamp, to the first."""
    if chunk.space != "ee_pose":
        return False
    steps, box = chunk.values[:, :3], robot.workspace
    way = np.linalg.norm(np.diff(np.vstack([here, steps]), axis=0), axis=1)
    seconds = 1e-9 * np.array([chunk.start_ns - chunk.stamp_ns, *[chunk.step_ns] * (len(steps) - 1)])
    return bool((steps < box.lower).any() or (steps > box.upper).any() or (way > box.speed * seconds).any())


def due(codes: Collection[str], pressed: bool, overreaching: bool) -> bool:
    """Whether all of ``codes`` were called for, given what was found."""
    allowed = (PRESSING if pressed else frozenset()) | (OVERREACHING if overreaching else frozenset())
    return allowed.issuperset(codes)
