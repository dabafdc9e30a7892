"""Fast-WAM in LeRobot's safetensors: the released files, and those saved since a layer owns its experts' blocks."""

from wam_core.pretrained.layout import Layout
from wam_core.pretrained.layouts.fast_wam import FAST_WAM

_RELEASED = tuple((ours, f"model.{theirs}") for ours, theirs in FAST_WAM.names)

LEROBOT = Layout(summary="Fast-WAM, LeRobot's safetensors as released", names=_RELEASED)
LEROBOT_LAYERS = Layout(
    summary="Fast-WAM, LeRobot's safetensors as newer versions save them",
    names=(("trunk.mixtures.*.blocks.*.", "model.mot.layers.{1}.blocks.{0}."), *_RELEASED),
)
