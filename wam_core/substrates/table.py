"""The kinds of substrate a preset can name."""

from collections.abc import Mapping

from wam_core.substrates.affordance_map import AffordanceMapSpec
from wam_core.substrates.depth import DepthSpec, RgbdnSpec, RgbdSpec
from wam_core.substrates.encoded_frame import EncodedFrameSpec
from wam_core.substrates.optical_flow import OpticalFlowSpec
from wam_core.substrates.pixels import PixelsSpec
from wam_core.substrates.point_flow import PointFlowSpec
from wam_core.substrates.point_tracks import PointTracksSpec
from wam_core.substrates.robot_flow import RobotFlowSpec
from wam_core.substrates.scene_view import SceneViewSpec
from wam_core.substrates.signal import SignalSpec
from wam_core.substrates.sound_latent import SoundLatentSpec
from wam_core.substrates.substrate import SubstrateSpec
from wam_core.substrates.teacher_features import TeacherFeaturesSpec
from wam_core.substrates.tool_heatmap import ToolHeatmapSpec
from wam_core.substrates.tool_points import ToolPointsSpec
from wam_core.substrates.touch_latent import TouchLatentSpec
from wam_core.substrates.video_latent import VideoLatentSpec
from wam_core.substrates.vq_tokens import VqTokensSpec
from wam_core.substrates.wan_video import WanVideoSpec

SUBSTRATES: Mapping[str, type[SubstrateSpec]] = {
    "pixels": PixelsSpec,
    "video_latent": VideoLatentSpec,
    "vq_tokens": VqTokensSpec,
    "wan_video": WanVideoSpec,
    "encoded_frame": EncodedFrameSpec,
    "teacher_features": TeacherFeaturesSpec,
    "optical_flow": OpticalFlowSpec,
    "depth": DepthSpec,
    "rgbd": RgbdSpec,
    "rgbdn": RgbdnSpec,
    "point_flow": PointFlowSpec,
    "point_tracks": PointTracksSpec,
    "affordance_map": AffordanceMapSpec,
    "tool_heatmap": ToolHeatmapSpec,
    "tool_points": ToolPointsSpec,
    "robot_flow": RobotFlowSpec,
    "scene_view": SceneViewSpec,
    "signal": SignalSpec,
    "touch_latent": TouchLatentSpec,
    "sound_latent": SoundLatentSpec,
}
