"""What was measured lately, by stamp: images, and where the arm was; and where it is planned to be."""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, RobotState
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.tool_pose import encode_tool_pose
from wam_core.viewing.plan import PlanWatch

#: Images kept per camera, and joint states.
IMAGES, STATES = 64, 256

Pixels = NDArray[np.uint8]


class Sight:
    """Attributes: tolerance_ns: an image this far from an instant was taken at it."""

    def __init__(self, robot: RobotContract) -> None:
        self.tolerance_ns = round(0.6e9 / robot.rates.camera_hz)
        self._kinematics = Kinematics(robot)
        self.images: Mapping[str, deque[tuple[int, Pixels]]] = {c.name: deque(maxlen=IMAGES) for c in robot.cameras}
        self._states: deque[RobotState] = deque(maxlen=STATES)
        self.plans = PlanWatch(robot)

    def see(self, camera: str, stamp_ns: int, pixels: Pixels) -> bool:
        """Keep an image; whether time went on. Where it went back, the images of before are those of another scene."""
        images = self.images[camera]
        forward = not images or stamp_ns >= images[-1][0]
        if not forward:
            self.forget()
        images.append((stamp_ns, pixels))
        return forward

    def feel(self, state: RobotState) -> None:
        self._states.append(state)

    def forget(self) -> None:
        """The scene is another one."""
        self.plans.forget()
        for images in self.images.values():
            images.clear()

    def newest(self, camera: str) -> tuple[int, Pixels] | None:
        images = self.images[camera]
        return images[-1] if images else None

    def newest_ns(self) -> int:
        """Stamp of the newest image of all; 0 where there is none."""
        return max((images[-1][0] for images in self.images.values() if images), default=0)

    def at(self, instant_ns: int) -> dict[str, Pixels]:
        """The image of each camera taken at that instant, where there is one."""
        found = {}
        for camera, images in self.images.items():
            near = min(images, key=lambda entry: abs(entry[0] - instant_ns), default=None)
            if near is not None and abs(near[0] - instant_ns) <= self.tolerance_ns:
                found[camera] = near[1]
        return found

    def joints(self) -> FloatArray | None:
        """``[J]`` rad of the newest state."""
        arms = len(self._kinematics.robot.joints)
        return np.ascontiguousarray(self._states[-1].position[:arms]) if self._states else None

    def proprioception_at(self, instant_ns: int) -> FloatArray | None:
        """``[D]`` of the state nearest to the instant."""
        near = min(self._states, key=lambda state: abs(state.stamp_ns - instant_ns), default=None)
        return None if near is None else proprioception(self._kinematics, near)

    def tool_at(self, instant_ns: int) -> FloatArray | None:
        """``[3]`` m, base frame, where the tool was by the state nearest to the instant."""
        near = min(self._states, key=lambda state: abs(state.stamp_ns - instant_ns), default=None)
        if near is None:
            return None
        arm = np.ascontiguousarray(near.position[: len(self._kinematics.robot.joints)])
        return self._kinematics.tool(arm)[1]

    def planned_at(self, instant_ns: int) -> FloatArray | None:
        """``[D]`` where the newest chunk has the tool at the instant; where it is, without a chunk."""
        tool = self.plans.tool_at(instant_ns)
        if tool is None or not self._states:
            return self.proprioception_at(instant_ns)
        robot = self._kinematics.robot
        return encode_tool_pose(robot, *tool, self._states[-1].position[len(robot.joints) :])
