"""Rendering with OpenGL, off screen: on a GPU or in software through EGL, in software through OSMesa."""

import importlib
import weakref
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray


def _free(gl: Any, context: mujoco.MjrContext) -> None:
    # MuJoCo deletes GL objects by number in whatever context is current, which may be another renderer's.
    gl.make_current()
    context.free()
    gl.free()


class _GlRenderer:
    """A GL context of its own and MuJoCo's renderer without shadows, reflections, sky and fog."""

    #: Module with the ``GLContext``; imported late, as importing decides PyOpenGL's platform for the process.
    context_module: str
    #: EGL's display may be gone before us when the process ends; OSMesa's context complains if it is not freed in time.
    free_at_exit: bool

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        size = model.vis.global_
        self._gl: Any = importlib.import_module(self.context_module).GLContext(size.offwidth, size.offheight)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        weakref.finalize(self, _free, self._gl, self._context).atexit = self.free_at_exit
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 10)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 1
        self._option.sitegroup[:] = 0
        self._scene.flags[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def colour(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        return self._draw(data, camera, width, height)[0]

    def depth(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.float32]:
        _, buffer = self._draw(data, camera, width, height)
        # The depth map is reversed (0 far, 1 near); invert the perspective projection's z.
        scale = self._model.stat.extent
        near, far = self._model.vis.map.znear * scale, self._model.vis.map.zfar * scale
        metres = near * far / (near + buffer.astype(np.float64) * (far - near))
        return np.where(buffer > 0, metres, np.inf).astype(np.float32)

    def segmentation(self, data: mujoco.MjData, camera: str, width: int, height: int) -> NDArray[np.int32]:
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        pixels = self._draw(data, camera, width, height)[0].astype(np.int32)
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        segment = pixels[..., 0] + (pixels[..., 1] << 8) + (pixels[..., 2] << 16)
        ids = np.full(self._scene.ngeom + 1, -1, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                ids[geom.segid + 1] = geom.objid
        return ids[segment]

    def _draw(
        self, data: mujoco.MjData, camera: str, width: int, height: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        self._gl.make_current()
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(area, self._scene, self._context)
        pixels = np.empty((height, width, 3), np.uint8)
        depth = np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(pixels, depth, area, self._context)
        return pixels[::-1].copy(), depth[::-1].copy()


class EglRenderer(_GlRenderer):
    context_module = "mujoco.egl"
    free_at_exit = False


class OsMesaRenderer(_GlRenderer):
    context_module = "mujoco.osmesa"
    free_at_exit = True
