"""The published layouts that weights are imported from."""

from collections.abc import Mapping

from wam_core.pretrained.layout import Layout
from wam_core.pretrained.layouts.fast_wam import FAST_WAM
from wam_core.pretrained.layouts.lerobot import LEROBOT, LEROBOT_LAYERS
from wam_core.pretrained.layouts.wan import WAN
from wam_core.pretrained.layouts.wan_diffusers import WAN_DIFFUSERS

LAYOUTS: Mapping[str, Layout] = {
    "fast_wam": FAST_WAM,
    "lerobot": LEROBOT,
    "lerobot_layers": LEROBOT_LAYERS,
    "wan": WAN,
    "wan_diffusers": WAN_DIFFUSERS,
}
