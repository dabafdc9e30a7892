"""The 21 key points of a right hand of usual size that opens and closes: a stand-in for a hand tracker."""

import numpy as np

from wam_core.robot.fingers import HAND_FINGERS

#: Knuckles (m) and bones (m) in the hand's axes: z along the palm, y where it looks, so that the thumb's side is -x.
KNUCKLES = {
    "index": (-0.025, 0.0, 0.090),
    "middle": (0.0, 0.0, 0.092),
    "ring": (0.021, 0.0, 0.086),
    "pinky": (0.040, 0.0, 0.078),
}
BONES = {
    "index": (0.045, 0.025, 0.022),
    "middle": (0.050, 0.030, 0.024),
    "ring": (0.046, 0.028, 0.024),
    "pinky": (0.036, 0.020, 0.020),
}
#: How far each joint of a finger bends when it meets the thumb (rad).
BEND = (1.0, 1.1, 0.5)
THUMB_ROOT, THUMB_SPREAD = np.array([-0.025, 0.015, 0.025]), np.array([-0.075, 0.055, 0.075])


def right_hand(curl: float, rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """``[21, 3]`` m; ``curl`` 0 is flat with the thumb spread, 1 has thumb and index tip touch.

    Args:
        rotation, position: of the wrist in the base frame.
    """
    points = np.zeros((21, 3))
    for finger, rows in HAND_FINGERS.items():
        if finger != "thumb":
            points[list(rows)] = _finger(finger, curl)
    touch = _finger("index", 1.0)[-1] + (0.0, -0.008, 0.0)
    tip = (1.0 - curl) * THUMB_SPREAD + curl * touch
    points[list(HAND_FINGERS["thumb"])] = THUMB_ROOT + np.linspace(0.0, 1.0, 4)[:, None] * (tip - THUMB_ROOT)
    return points @ rotation.T + position


def _finger(finger: str, curl: float) -> np.ndarray:
    angles = curl * np.cumsum(BEND)
    bones = np.array(BONES[finger])[:, None] * np.stack([0.0 * angles, np.sin(angles), np.cos(angles)], axis=1)
    return np.vstack([np.zeros(3), np.cumsum(bones, axis=0)]) + KNUCKLES[finger]
