"""The cell's cameras in a thread of their own, so that rendering does not hold up physics."""

import threading
from collections.abc import Callable, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from wam_core.cell.cell import Cell, object_mask
from wam_core.cell.rendering import RENDERERS
from wam_core.cell.rendering.renderer import Renderer
from wam_core.cell.scene import Scene
from wam_core.cell.tasks import Goal
from wam_core.robot.contract import Camera
from wam_core.robot.senses import Sense

Publish = Callable[[Camera, NDArray[np.uint8], int], None]
PublishSense = Callable[[Sense, NDArray[np.generic], int], None]


class CameraThread(threading.Thread):
    """Renders snapshots of the cell. GL contexts belong to the thread that made them: renderers are made here.

    Attributes:
        rendering: held while a snapshot is rendered; hold it to change the scene's model.
        skipped: snapshots that were asked for while the one before was still being rendered.
    """

    def __init__(self, cell: Cell, publish: Publish, publish_sense: PublishSense) -> None:
        super().__init__(name="cameras", daemon=True)
        self.rendering = threading.Lock()
        self.skipped = 0
        self._cell = cell
        self._publish = publish
        self._publish_sense = publish_sense
        self._wake = threading.Event()
        self._shown, self._newest_ns = threading.Condition(), 0
        self._stopping = False
        self._renderers: dict[Scene, Renderer] = {}
        self._snapshots: dict[Scene, mujoco.MjData] = {}
        self._scene: Scene | None = None
        self._stamp_ns = 0
        self._goal = cell.goal
        self._senses: Sequence[Sense] = ()

    def shoot(self, stamp_ns: int, senses: Sequence[Sense] = ()) -> None:
        """Take a snapshot now (microseconds) to be rendered and published with ``stamp_ns``.

        Args:
            senses: of cameras, which are to be published with their images.
        """
        if self._wake.is_set():
            self.skipped += 1
            return
        scene = self._cell.scene
        if scene not in self._snapshots:
            self._snapshots[scene] = mujoco.MjData(scene.model)
        mujoco.mj_copyData(self._snapshots[scene], scene.model, scene.data)
        self._scene, self._stamp_ns = scene, stamp_ns
        self._goal, self._senses = self._cell.goal, senses
        self._wake.set()

    def await_images(self, stamp_ns: int, timeout_s: float) -> bool:
        """Whether images that were taken at ``stamp_ns`` or later are published within the time."""
        with self._shown:
            return self._shown.wait_for(lambda: self._newest_ns >= stamp_ns, timeout_s)

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        self.join(timeout=5.0)

    def run(self) -> None:
        while True:
            self._wake.wait()
            if self._stopping or self._scene is None:
                self._renderers.clear()
                return
            scene, stamp_ns, goal, senses = self._scene, self._stamp_ns, self._goal, self._senses
            with self.rendering:
                if scene not in self._renderers:
                    self._renderers[scene] = RENDERERS[self._cell.renderer](scene.model)
                render, data = self._renderers[scene], self._snapshots[scene]
                views = self._cell.robot.cameras
                images = [render.colour(data, view.name, view.width, view.height) for view in views]
                felt = [self._sensed(render, scene, goal, sense) for sense in senses]
            self._wake.clear()
            for view, image in zip(views, images, strict=True):
                self._publish(view, image, stamp_ns)
            for sense, values in zip(senses, felt, strict=True):
                self._publish_sense(sense, values, stamp_ns)
            with self._shown:
                self._newest_ns = stamp_ns
                self._shown.notify_all()

    def _sensed(self, render: Renderer, scene: Scene, goal: Goal, sense: Sense) -> NDArray[np.generic]:
        data, view = self._snapshots[scene], self._cell.robot.camera(sense.camera)
        if sense.kind == "depth":
            return render.depth(data, view.name, view.width, view.height)
        return object_mask(scene, goal, render.segmentation(data, view.name, view.width, view.height))
