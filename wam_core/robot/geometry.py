"""Where each pixel of a laid-out image looks: lenses, and where the cameras are, by the robot's own numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from wam_core.contract import FloatArray
from wam_core.errors import ContractError
from wam_core.preprocess.images import ImageLayout, Region
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import arm_model
from wam_core.robot.lens import Lens
from wam_core.robot.tool_pose import tool_frames


@dataclass(frozen=True)
class View:
    """One camera of a laid-out image.

    Attributes:
        lens: in pixels of the laid-out image.
        on_tool: whether the camera is fixed to the tool (else to the base).
        rotation, position: ``[3, 3]`` and ``[3]`` m of the optical frame in the frame that it is fixed to.
    """

    region: Region
    lens: Lens
    on_tool: bool
    rotation: FloatArray
    position: FloatArray


class Geometry:
    """The cameras of a layout, as calibrated: lens from the robot file, optical frame from the URDF.

    Points are in the base frame, m. ``proprioception [N, D]`` says where the tool was at each of N instants.
    """

    def __init__(self, robot: RobotContract, layout: ImageLayout) -> None:
        """
        Raises:
            ContractError: a camera has no lens, or its frame is not in the URDF, or is fixed to neither base nor tool.
        """
        self.size = layout.size
        self._robot = robot
        model = arm_model(robot)
        self.views: Mapping[str, View] = {
            name: camera_view(robot, model, name, region, layout.upside_down) for name, region in layout.regions.items()
        }

    def pose(self, camera: str, proprioception: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``(R [N, 3, 3], p [N, 3] m)`` of the camera's optical frame in the base frame."""
        view, count = self.views[camera], len(proprioception)
        if not view.on_tool:
            return np.broadcast_to(view.rotation, (count, 3, 3)), np.broadcast_to(view.position, (count, 3))
        rotation, position = tool_frames(self._robot, proprioception)
        return rotation @ view.rotation, position + rotation @ view.position

    def seen(self, depth: NDArray[np.floating]) -> FloatArray:
        """``[..., H, W*, 3]`` what ``depth [..., H, W*]`` m shows, in the optical frame of the camera that sees it.

        NaN where there is nothing.
        """
        points = np.full((*depth.shape, 3), np.nan)
        for view in self.views.values():
            top, left, height, width = view.region
            rows, columns = slice(top, top + height), slice(left, left + width)
            y, x = np.mgrid[rows, columns].astype(np.float64)
            pixels = np.stack((x, y), axis=-1)
            points[..., rows, columns, :] = view.lens.unproject(pixels, depth[..., rows, columns].astype(np.float64))
        return points

    def unproject(self, depth: NDArray[np.floating], proprioception: FloatArray) -> FloatArray:
        """``[N, H, W*, 3]`` m, base frame, of laid-out ``depth [N, H, W*]`` m; NaN where there is nothing."""
        points = self.seen(depth)
        for name, view in self.views.items():
            top, left, height, width = view.region
            tile = points[:, top : top + height, left : left + width]
            rotation, position = self.pose(name, proprioception)
            tile[:] = np.einsum("nij,nhwj->nhwi", rotation, tile) + position[:, None, None]
        return points

    def project(self, camera: str, points: FloatArray, proprioception: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels ``[N, K, 2]`` (x, y) of the laid-out image and depth ``[N, K]`` m of ``points [N, K, 3]``.

        NaN behind the camera; a pixel outside the camera's region is not in its picture.
        """
        rotation, position = self.pose(camera, proprioception)
        local = np.einsum("nji,nkj->nki", rotation, points - position[:, None])
        return self.views[camera].lens.project(local)


def camera_view(robot: RobotContract, model: pin.Model, name: str, region: Region, upside_down: bool = False) -> View:
    """A camera whose picture fills ``region`` of a laid-out image; ``model`` is the robot's arm.

    Raises:
        ContractError: it has no lens, or its frame is not in the URDF, or is fixed to neither base nor tool.
    """
    camera = robot.camera(name)
    field = f"robot.cameras.{name}"
    lens = camera.looked_through
    if lens is None:
        raise ContractError(f"{field}.lens", None, "fx, fy, cx, cy in pixels, which geometry needs")
    if not model.existFrame(camera.frame):
        raise ContractError(f"{field}.frame", camera.frame, f"a frame of {robot.urdf}")
    frame, tool = (model.frames[model.getFrameId(name)] for name in (camera.frame, robot.tool_frame))
    on_tool = frame.parentJoint == tool.parentJoint
    if not on_tool and frame.parentJoint:
        raise ContractError(f"{field}.frame", camera.frame, "a frame that is fixed to the base or to the tool")
    place = tool.placement.actInv(frame.placement) if on_tool else frame.placement
    height, width = camera.size
    lens = lens.turned(width, height) if upside_down else lens
    return View(region, lens.tile(camera.size, region), on_tool, place.rotation.copy(), place.translation.copy())
