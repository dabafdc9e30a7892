"""Camera bytes to the model's picture on an NVIDIA GPU: one kernel a camera does all that ``images.py`` does in steps.

    message bytes --pinned memory, asynchronous copy--> GPU --picture.cu--> the camera's tile of the picture

CuPy compiles and launches; PyTorch takes the result over without a copy (DLPack). Needs the extra ``gpu``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wam_core.errors import ContractError
from wam_core.preprocess.images import ENCODINGS, ImageLayout, Views
from wam_core.preprocess.raw import RawImage, RawImages, raw_image
from wam_core.preprocess.undistort import Undistortion

if TYPE_CHECKING:
    from torch import Tensor

#: Kinds of picture in the order of ``picture.cu``: uint8 ``[H, W*, 3]``, or ``[3, H, W*]`` in [-1, 1].
KINDS = ("uint8", "float32", "float16")
#: Threads of a block: across and down.
BLOCK = (32, 8)


def kernel_source() -> str:
    """CUDA C++ of the kernels ``place`` and, for cameras whose pictures are undistorted, ``place_straight``."""
    return files("wam_core.preprocess").joinpath("picture.cu").read_text()


def placements(
    robot: Views, raw: Mapping[str, RawImage], layout: ImageLayout, kind: str
) -> list[tuple[RawImage, tuple[int, ...], tuple[int, ...]]]:
    """For each camera of the layout its image, and what its kernel is told before the maps and after the picture.

    Raises:
        ContractError: a camera is missing or of the wrong size, or cannot be decoded in this encoding.
    """
    found: list[tuple[RawImage, tuple[int, ...], tuple[int, ...]]] = []
    for name, region in layout.regions.items():
        if name not in raw:
            raise ContractError(f"images.{name}", sorted(raw), f"an image of camera {name}")
        image, camera = raw[name], robot.camera(name)
        seen, size = image.looked_at, camera.size
        if seen[2:] != size:
            raise ContractError(f"images.{name}", f"{seen[3]}x{seen[2]}", f"{size[1]}x{size[0]}")
        number = tuple(ENCODINGS).index(image.encoding)
        row_bytes = image.row_bytes or image.width * ENCODINGS[image.encoding].channels
        before = (image.height, image.width, row_bytes, number, int(layout.upside_down), *seen)
        top, left, high, wide = region
        found.append((image, before, (KINDS.index(kind), *layout.size, top, left, high, wide)))
    return found


class FusedPictures:
    """Pictures of one layout. Not thread-safe: it owns the memory through which images are uploaded."""

    def __init__(self, robot: Views, layout: ImageLayout) -> None:
        """Raises :class:`ContractError` without CuPy or without a GPU that it can use."""
        try:
            import cupy
            import cupyx

            usable = cupy.cuda.is_available()
        except ImportError:
            raise ContractError("preprocess", "cupy is not installed", "cupy: pip install 'wam[gpu]'") from None
        if not usable:
            raise ContractError("preprocess", "cupy", "an NVIDIA GPU, or the preprocessing 'opencv'")
        self._robot, self._layout = robot, layout
        self._cupy: Any = cupy
        self._pinned: Any = cupyx.empty_pinned
        self._uploads: dict[tuple[str, int], tuple[Any, Any, Any]] = {}
        self._maps: dict[str, tuple[Undistortion, tuple[Any, ...]]] = {}
        self._place_sent, self._place_straight = (  # compiled when first launched
            cupy.RawKernel(kernel_source(), name, options=("--std=c++11",)) for name in ("place", "place_straight")
        )

    def __call__(self, images: Mapping[str, NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """uint8 ``[*layout.size, 3]`` on the host, as :func:`wam_core.preprocess.images.lay_out` gives it."""
        picture: NDArray[np.uint8] = self._cupy.asnumpy(
            self._place(images, "uint8", self._cupy.cuda.get_current_stream())
        )
        return picture

    def tensor(self, images: Mapping[str, NDArray[np.uint8]], kind: str = "float16") -> Tensor:
        """The picture on the GPU, of a kind in :data:`KINDS`, whole for all that follows in torch's current stream."""
        import torch

        stream = self._cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)
        return torch.from_dlpack(self._place(images, kind, stream))

    def _place(self, images: Mapping[str, NDArray[np.uint8]], kind: str, stream: Any) -> Any:
        cupy, (height, width) = self._cupy, self._layout.size
        raw = images.raw if isinstance(images, RawImages) else {n: raw_image(i, n) for n, i in images.items()}
        shape = (height, width, 3) if kind == "uint8" else (3, height, width)
        with stream:
            tiles = sum(high * wide for _, _, high, wide in self._layout.regions.values())
            picture = (cupy.empty if tiles == height * width else cupy.zeros)(shape, kind)
            for image, before, after in placements(self._robot, raw, self._layout, kind):
                high, wide = after[-2:]
                grid = (-(-wide // BLOCK[0]), -(-high // BLOCK[1]))
                place, maps = self._place_sent, ()
                if image.undistortion is not None:
                    place, maps = self._place_straight, self._maps_of(image.name, image.undistortion)
                told = (*map(np.int32, before), *maps, picture, *map(np.int32, after))
                place(grid, BLOCK, (self._upload(image, stream), *told))
        return picture

    def _maps_of(self, camera: str, found: Undistortion) -> tuple[Any, ...]:
        """The camera's maps on the GPU, where they stay."""
        if camera not in self._maps or self._maps[camera][0] is not found:
            self._maps[camera] = (found, (self._cupy.asarray(found.pixels), self._cupy.asarray(found.shares)))
        return self._maps[camera][1]

    def _upload(self, image: RawImage, stream: Any) -> Any:
        """The image's bytes on the GPU, on their way in ``stream``."""
        key = (image.name, image.data.size)
        if key not in self._uploads:
            on_gpu = self._cupy.empty(image.data.size, np.uint8)
            self._uploads[key] = (self._pinned(image.data.size, np.uint8), on_gpu, self._cupy.cuda.Event())
        host, device, uploaded = self._uploads[key]
        uploaded.synchronize()  # the last image's bytes have left the pinned memory
        host[:] = image.data
        device.set(host, stream=stream)
        uploaded.record(stream)
        return device
