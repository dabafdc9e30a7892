"""How long it takes from the bytes of camera messages to the model's picture on its device: `wam bench preprocess`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wam_core.errors import ContractError, look_up
from wam_core.evaluation.intervals import median_ratio
from wam_core.preprocess.fused import FusedPictures
from wam_core.preprocess.images import ENCODINGS, ImageLayout, lay_out, to_model_range
from wam_core.preprocess.raw import RawImage, RawImages
from wam_core.preprocess.undistort import undistortion_of
from wam_core.robot.distortion import DISTORTIONS, Distortion
from wam_core.robot.lens import Lens
from wam_core.robot.robot_file import load_robot

#: Rounds before times count.
WARM_UPS = 5
#: First coefficient of the lenses that are tried, as of a webcam.
BENT = -0.2


@dataclass(frozen=True)
class PreprocessTime:
    """Milliseconds of paired rounds, medians; what was not measured is None and ``missing`` says why.

    Attributes:
        reference: OpenCV, then PyTorch onto the device. fused: the kernel.
        ratio, interval: reference by fused, with its 95 % interval.
        difference: greatest difference of a pixel between the two, of 255.
    """

    device: str
    reference: float
    fused: float | None = None
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    difference: float | None = None
    missing: str = ""


def measure(
    encoding: str,
    size: tuple[int, int],
    cameras: int,
    tile: tuple[int, int],
    rounds: int,
    seed: int,
    distortion: str = "",
) -> PreprocessTime:
    """Time both ways on images of random bytes, in turns.

    Args:
        size, tile: height and width of an image, and of its place in the picture.
        distortion: model of the lens by which images are undistorted; empty: they are not.

    Raises:
        ContractError: an unknown encoding or model, or sizes that do not fit it.
    """
    height, width = size
    robot = load_robot("panda_cell")
    names = tuple(f"camera_{k}" for k in range(cameras))
    lens = Lens(0.8 * width, 0.8 * width, 0.5 * width, 0.5 * height)
    bent = _distortion(distortion) if distortion else None
    view = replace(robot.cameras[0], height=height, width=width, lens=lens, distortion=bent)
    views, straight = tuple(replace(view, name=n) for n in names), undistortion_of(view)
    robot, layout = replace(robot, cameras=views), ImageLayout(names, *tile)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rng = np.random.default_rng(seed)

    def sent() -> RawImages:
        plain = {n: _random(rng, encoding, height, width, n) for n in names}
        return RawImages({n: replace(image, undistortion=straight) for n, image in plain.items()})

    def reference(images: RawImages) -> Tensor:
        return torch.from_numpy(to_model_range(lay_out(robot, images, layout))).half().to(device)

    ways: dict[str, Callable[[RawImages], Tensor]] = {"reference": reference}
    missing = ""
    try:
        ways["fused"] = FusedPictures(robot, layout).tensor
    except ContractError as error:
        missing = str(error)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    made: dict[str, Tensor] = {}
    for number in range(rounds + WARM_UPS):
        images = sent()
        for name, way in ways.items():
            began = time.perf_counter()
            made[name] = way(images)
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number >= WARM_UPS:
                taken[name].append(1e3 * (time.perf_counter() - began))
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    found = PreprocessTime(where, float(np.median(taken["reference"])), missing=missing)
    if missing:
        return found
    ratio, interval = median_ratio(np.array(taken["reference"]) / np.array(taken["fused"]), seed)
    difference = 127.5 * float((made["reference"].float() - made["fused"].float()).abs().max())
    return replace(found, fused=float(np.median(taken["fused"])), ratio=ratio, interval=interval, difference=difference)


def _distortion(model: str) -> Distortion:
    names = look_up(DISTORTIONS, model, "distortion")
    return Distortion(model, (BENT, *(0.0 for _ in names[1:])))


def _random(rng: np.random.Generator, encoding: str, height: int, width: int, name: str) -> RawImage:
    channels = ENCODINGS[encoding].channels if encoding in ENCODINGS else 1
    data = rng.integers(0, 256, height * width * channels, dtype=np.uint8)
    return RawImage(data, encoding, height, width, 0, name)
