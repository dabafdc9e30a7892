"""The kinds of substrate a preset can name."""

from collections.abc import Mapping

from wam_core.substrates.substrate import SubstrateSpec
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.substrates.wan_video import WanVideoSpec

SUBSTRATES: Mapping[str, type[SubstrateSpec]] = {
    "video_latent": VideoLatentSpec,
    "wan_video": WanVideoSpec,
}
