"""The tool's motion from that of a few of its points in the pictures, by way of the image Jacobian.

Chaumette and Hutchinson 2006, "Visual servo control, part I: basic approaches", equation 11; steps are damped least
squares (Nakamura and Hanafusa 1986), taken until the points are where the future says.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from scipy.spatial.transform import Rotation

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.recovery.recovery import Foreseen, RecoverySpec, WayPoints
from wam_core.robot.geometry import View
from wam_core.robot.tool_pose import tool_vectors
from wam_core.substrates.tool_points import POINTS

#: Pixels that a motion of 1 m or 1 rad must be worth: what is seen less of is left as it is.
DAMPING = 5.0
#: At most so many steps for an instant; fewer where the last one was shorter than this (m, rad).
STEPS, SMALL = 30, 1e-5
#: Points that end this far from where they should be (pixels, root mean square) are half trusted.
OFF = 2.0


@dataclass(frozen=True)
class JacobianSpec(RecoverySpec):
    """``length`` is that of the substrate ``tool_points`` (m). A camera on the tool always sees its points at the same
    places, and is not asked. The fingers are left as they are."""

    reads = "key_points"

    kind: str
    future: str
    length: float

    def way_points(self, foreseen: Foreseen) -> WayPoints:
        geometry, state = foreseen.geometry, foreseen.state
        views = list(geometry.views.items())
        asked = [k for k, (_, view) in enumerate(views) if not view.on_tool]
        wanted = np.asarray(foreseen.future, np.float64)
        if not asked or wanted.shape[1:] != (len(views), len(POINTS), 2):
            expected = f"[T, {len(views)}, {len(POINTS)}, 2], and a camera beside the tool"
            raise ContractError("recovery.future", wanted.shape, expected)
        cameras = {k: _Camera(views[k][1], *(part[0] for part in geometry.pose(views[k][0], state))) for k in asked}
        rotation, position = foreseen.tool
        pixels = wanted * geometry.size[::-1] - 0.5
        rotations, positions, trust = [], [], []
        for points in pixels:
            for _ in range(STEPS):
                step, off = self._step(cameras, points, rotation, position)
                rotation = Rotation.from_rotvec(step[3:]).as_matrix() @ rotation
                position = position + step[:3]
                if np.abs(step).max() < SMALL:
                    break
            rotations.append(rotation)
            positions.append(position)
            trust.append(1.0 / (1.0 + (off / OFF) ** 2))
        return WayPoints(tool_vectors(foreseen.robot, np.array(rotations), np.array(positions)), np.array(trust))

    def _step(
        self, cameras: Mapping[int, "_Camera"], wanted: FloatArray, rotation: FloatArray, position: FloatArray
    ) -> tuple[FloatArray, float]:
        """``[6]`` m, rad about base axes towards ``wanted [cameras, points, 2]``, and how far off they are (pixels)."""
        levers = self.length * POINTS @ rotation.T
        seen = [camera.look(position + levers, levers) for camera in cameras.values()]
        jacobian = np.concatenate([j for _, j in seen])
        misses = np.concatenate([(wanted[k] - p).ravel() for k, (p, _) in zip(cameras, seen, strict=True)])
        normal = jacobian.T @ jacobian + DAMPING**2 * np.eye(6)
        return np.linalg.solve(normal, jacobian.T @ misses), float(np.sqrt((misses**2).mean()))


@dataclass(frozen=True)
class _Camera:
    """A camera, and where it stands: ``[3, 3]`` and ``[3]`` m of its optical frame in the base frame."""

    view: View
    rotation: FloatArray
    position: FloatArray

    def look(self, points: FloatArray, levers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels ``[K, 2]`` of ``points [K, 3]`` m, and their Jacobian ``[2 K, 6]`` to a motion of the tool, from which
        they are ``levers [K, 3]`` m away."""
        local = (points - self.position) @ self.rotation
        x, y, depth = local.T
        lens = self.view.lens
        zero = np.zeros_like(depth)
        spread = np.array(
            [[lens.fx / depth, zero, -lens.fx * x / depth**2], [zero, lens.fy / depth, -lens.fy * y / depth**2]]
        )
        turning = np.array([-pin.skew(lever) for lever in levers])
        moving = np.concatenate([np.broadcast_to(np.eye(3), turning.shape), turning], axis=2)
        jacobian = np.einsum("ack,dc,kde->kae", spread, self.rotation, moving)
        return lens.project(local)[0], jacobian.reshape(-1, 6)
