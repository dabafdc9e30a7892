"""Rendering without any GL: one ray per pixel, Lambert shading by the scene's directional lights."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray


class RayCastRenderer:
    """Shades like fixed-function OpenGL does with ambient and directional diffuse light and matte colours."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._rays: dict[tuple[int, int, float], FloatArray] = {}

    def colour(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        geom, _, normal = self._cast(data, camera, width, height)
        light = np.zeros_like(normal)
        for ambient, diffuse, direction in zip(
            self._model.light_ambient, self._model.light_diffuse, data.light_xdir, strict=True
        ):
            light += ambient + np.maximum(-normal @ direction, 0.0)[:, None] * diffuse
        shaded = np.clip(self._model.geom_rgba[geom, :3] * light, 0.0, 1.0)
        shaded[geom < 0] = 0.0
        return np.rint(shaded * 255).astype(np.uint8).reshape(height, width, 3)

    def depth(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.float32]:
        geom, distance, _ = self._cast(data, camera, width, height)
        local = self._local_rays(self._model.camera(camera).id, width, height)
        depth = np.where(geom >= 0, -distance * local[:, 2], np.inf)
        return depth.astype(np.float32).reshape(height, width)

    def segmentation(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.int32]:
        geom, _, _ = self._cast(data, camera, width, height)
        return geom.reshape(height, width)

    def _cast(
        self, data: mujoco.MjData, camera: str, width: int, height: int
    ) -> tuple[NDArray[np.int32], FloatArray, FloatArray]:
        index = self._model.camera(camera).id
        local = self._local_rays(index, width, height)
        rays = local @ data.cam_xmat[index].reshape(3, 3).T
        count = len(rays)
        geom = np.full(count, -1, np.int32)
        distance = np.zeros(count)
        normal = np.zeros(3 * count)
        mujoco.mj_multiRay(
            self._model, data, data.cam_xpos[index], rays.ravel(), None, True, -1, geom, distance, normal, count, 10.0
        )
        return geom, distance, normal.reshape(count, 3)

    def _local_rays(self, camera: int, width: int, height: int) -> FloatArray:
        """Unit directions ``[height * width, 3]`` through the pixel centres; camera looks along -z, y up."""
        fovy = float(self._model.cam_fovy[camera])
        key = (width, height, fovy)
        if key not in self._rays:
            half = np.tan(np.radians(fovy) / 2)
            v = half * (1 - 2 * (np.arange(height) + 0.5) / height)
            u = half * (2 * (np.arange(width) + 0.5) - width) / height
            grid = np.stack(np.broadcast_arrays(u[None, :], v[:, None], -1.0), axis=-1).reshape(-1, 3)
            self._rays[key] = grid / np.linalg.norm(grid, axis=1, keepdims=True)
        return self._rays[key]
