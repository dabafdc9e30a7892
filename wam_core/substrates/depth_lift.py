"""Pictures with depth as points: each pixel to where it is in the base frame (the 4D cloud that TesserAct acts on)."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.lifting import Lift
from wam_core.robot.geometry import Geometry
from wam_core.substrates.depth_code import CONTRAST, LAYERS, MIDDLE, NOTHING
from wam_core.substrates.substrate import Clip

#: Points are given from here (m, base frame), this many m to a unit, and lie within so many units.
CENTRE, REACH, RANGE = (0.5, 0.0, 0.1), 0.3, 5.0


class DepthLift(Lift):
    """Place x y z and, where the pictures have normals, the normal of each pixel, in the base frame.

    Colours do not pass. Cameras on the tool are left out: where they will be at a predicted instant is what the action
    is yet to say.
    """

    def __init__(self, layers: Sequence[str], shrink: int, patch: int, clip: Clip) -> None:
        """
        Raises:
            ContractError: the robot does not say where its cameras are, or none of them stands still.
        """
        super().__init__()
        widths = [LAYERS[layer] for layer in layers]
        self.layout = sum(widths), patch**2
        self.starts = dict(zip(layers, np.cumsum([0, *widths]).tolist(), strict=False))
        geometry = clip.geometry(shrink)
        still = {name: view for name, view in geometry.views.items() if not view.on_tool}
        if not still:
            raise ContractError("layout.cameras", list(geometry.views), "one that stands still, to see points in space")
        rows, columns = geometry.size[0] // patch, geometry.size[1] // patch
        self.frame = rows * columns
        numbers = np.arange(self.frame).reshape(rows, columns)
        tokens, rays, origins, turns = [], [], [], []
        for view in still.values():
            top, left, height, width = (edge // patch for edge in view.region)
            tokens.append(numbers[top : top + height, left : left + width].reshape(-1))
            count = len(tokens[-1])
            rays.append(_rays(geometry, patch)[tokens[-1]] @ view.rotation.T)
            origins.append(np.broadcast_to(view.position, (count, 3)))
            turns.append(np.broadcast_to(view.rotation, (count, 3, 3)))
        self.kept = sum(map(len, tokens))
        self.numbers = 6 if "normal" in layers else 3
        for name, parts in (("tokens", tokens), ("rays", rays), ("origins", origins), ("turns", turns)):
            values = torch.from_numpy(np.concatenate(parts))
            self.register_buffer(name, values if name == "tokens" else values.float(), persistent=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        tokens, rays, origins, turns = (cast(Tensor, getattr(self, n)) for n in ("tokens", "rays", "origins", "turns"))
        frames = features.unflatten(1, (-1, self.frame))[:, :, tokens] / CONTRAST
        pixels = frames.unflatten(-1, self.layout).transpose(-1, -2)
        code = pixels[..., self.starts["depth"]]
        inside = code.clamp(NOTHING, 1.0)
        depth = MIDDLE * (1.0 - inside) / (1.0 + inside)
        where = origins[:, None] + depth[..., None] * rays
        points = ((where - where.new_tensor(CENTRE)) / REACH).clamp(-RANGE, RANGE)
        if "normal" in self.starts:
            normal = pixels[..., self.starts["normal"] : self.starts["normal"] + 3]
            points = torch.cat((points, torch.einsum("kij,btkpj->btkpi", turns, normal)), dim=-1)
        return points.flatten(1, 2), (code > NOTHING).flatten(1, 2)


def _rays(geometry: Geometry, patch: int) -> np.ndarray:
    """``[N, P, 3]`` m per m of depth, in the optical frames, of the pixels of each token."""
    rows, columns = geometry.size[0] // patch, geometry.size[1] // patch
    rays = geometry.seen(np.ones(geometry.size)).reshape(rows, patch, columns, patch, 3)
    return rays.transpose(0, 2, 1, 3, 4).reshape(rows * columns, patch**2, 3)
