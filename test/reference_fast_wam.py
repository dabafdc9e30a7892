"""Fast-WAM a second time, as simple as it can be: one sequence, one dense mask, no cache, weights by published name.

Written from the description of the model alone (paper, section 3.2; Wan 2.x block) and in no way from ``wam_core``, so
that a misreading in one of the two shows as a difference. Weights are a flat dictionary with the names of the authors'
checkpoint. ``B`` samples, ``S`` tokens; video latents are ``[B, C, T, h, w]``, actions ``[B, H, A]``, the context
``[B, L, text]``; noise levels are ``[B]`` in 0..1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]

#: Variant -> kind of token -> kinds it sees. "given" is the clean (or noise-augmented) video that IDM is shown.
VISIBLE = {
    "fast": {"first": "first", "future": "first future", "action": "action first"},
    "joint": {"first": "first", "future": "first future", "action": "action first future"},
    "idm": {
        "first": "first",
        "future": "first future",
        "given_first": "given_first",
        "given_future": "given_first given_future",
        "action": "action given_first given_future",
    },
}


@dataclass(frozen=True)
class Shape:
    heads: int
    head_dim: int
    layers: int
    time_dim: int
    patch: int
    bf16_time: bool = False


@dataclass
class Part:
    """Tokens of one expert: ``x [B, N, d]``, noise level of each ``[B, N]``, rotation angles ``[N, head_dim / 2]``."""

    expert: str
    x: Tensor
    level: Tensor
    angles: Tensor
    kinds: list[str]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def rms(w: Weights, name: str, x: Tensor) -> Tensor:
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * w[f"{name}.weight"]


def norm(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred * centred).mean(-1, keepdim=True) + 1e-6)


def angles_of(positions: list[tuple[int, ...]], head_dim: int) -> Tensor:
    """One axis turns the whole head; three axes (time, row, column) share it, time taking what is left over."""
    side = 2 * (head_dim // 6)
    widths = [head_dim] if len(positions[0]) == 1 else [head_dim - 2 * side, side, side]
    rows = []
    for position in positions:
        rows.append([p / 10000 ** (i / d) for p, d in zip(position, widths, strict=True) for i in range(0, d, 2)])
    return torch.tensor(rows, dtype=torch.float64)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """``[B, N, heads, head_dim]``, neighbouring channels as real and imaginary part."""
    pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)[None, :, None]
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def time_embedding(w: Weights, expert: str, shape: Shape, level: Tensor) -> tuple[Tensor, Tensor]:
    """``[B, N]`` to the time vector ``[B, N, d]`` and six modulations ``[B, N, 6, d]``."""
    t = 1000 * level
    if shape.bf16_time:
        t = t.to(torch.bfloat16).float()
    half = shape.time_dim // 2
    phase = t[..., None] * torch.exp(-math.log(10000.0) * torch.arange(half) / half)
    waves = torch.cat([torch.cos(phase), torch.sin(phase)], -1)
    name = f"mot.mixtures.{expert}"
    time = linear(w, f"{name}.time_embedding.2", F.silu(linear(w, f"{name}.time_embedding.0", waves)))
    return time, linear(w, f"{name}.time_projection.1", F.silu(time)).unflatten(-1, (6, -1))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """``[B, N, heads, head_dim]`` with a mask ``[N, M]`` of what is seen."""
    scores = torch.einsum("bnhd,bmhd->bhnm", q, k) / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
    return torch.einsum("bhnm,bmhd->bnhd", weights, v).flatten(-2)


def trunk(w: Weights, shape: Shape, parts: list[Part], context: Tensor, variant: str) -> list[tuple[Tensor, Tensor]]:
    """Tokens after the last block and time vectors, for each part."""
    kinds = [kind for p in parts for kind in p.kinds]
    mask = torch.tensor([[seen in VISIBLE[variant][kind].split() for seen in kinds] for kind in kinds])
    heads = (shape.heads, shape.head_dim)
    times = [time_embedding(w, p.expert, shape, p.level) for p in parts]
    texts = []
    for p in parts:
        name = f"mot.mixtures.{p.expert}.text_embedding"
        texts.append(linear(w, f"{name}.2", F.gelu(linear(w, f"{name}.0", context), approximate="tanh")))
    xs = [p.x for p in parts]
    for layer in range(shape.layers):
        qs, ks, vs, mods = [], [], [], []
        for p, x, (_, modulation) in zip(parts, xs, times, strict=True):
            block = f"mot.mixtures.{p.expert}.blocks.{layer}"
            mod = (w[f"{block}.modulation"] + modulation).unbind(-2)
            mods.append(mod)
            h = norm(x) * (1 + mod[1]) + mod[0]
            a = f"{block}.self_attn"
            qs.append(rotate(rms(w, f"{a}.norm_q", linear(w, f"{a}.q", h)).unflatten(-1, heads), p.angles))
            ks.append(rotate(rms(w, f"{a}.norm_k", linear(w, f"{a}.k", h)).unflatten(-1, heads), p.angles))
            vs.append(linear(w, f"{a}.v", h).unflatten(-1, heads))
        mixed = attend(torch.cat(qs, 1), torch.cat(ks, 1), torch.cat(vs, 1), mask)
        shares = mixed.split([len(p.kinds) for p in parts], 1)
        for i, (p, share, mod, text) in enumerate(zip(parts, shares, mods, texts, strict=True)):
            block = f"mot.mixtures.{p.expert}.blocks.{layer}"
            x = xs[i] + linear(w, f"{block}.self_attn.o", share) * mod[2]
            a = f"{block}.cross_attn"
            h = norm(x) * w[f"{block}.norm3.weight"] + w[f"{block}.norm3.bias"]
            q = rms(w, f"{a}.norm_q", linear(w, f"{a}.q", h)).unflatten(-1, heads)
            k = rms(w, f"{a}.norm_k", linear(w, f"{a}.k", text)).unflatten(-1, heads)
            v = linear(w, f"{a}.v", text).unflatten(-1, heads)
            x = x + linear(w, f"{a}.o", attend(q, k, v, torch.ones(q.shape[1], k.shape[1], dtype=torch.bool)))
            h = norm(x) * (1 + mod[4]) + mod[3]
            xs[i] = x + linear(w, f"{block}.ffn.2", F.gelu(linear(w, f"{block}.ffn.0", h), approximate="tanh")) * mod[5]
    return [(x, time) for x, (time, _) in zip(xs, times, strict=True)]


def video_part(w: Weights, shape: Shape, latents: Tensor, level: Tensor, prefix: str = "") -> Part:
    """Latents whose first frame is clean, at t = 0, and whose other frames are at ``level``."""
    name = "mot.mixtures.video.patch_embedding"
    stride = (1, shape.patch, shape.patch)
    grid = F.conv3d(latents, w[f"{name}.weight"], w[f"{name}.bias"], stride=stride)
    frames, rows, columns = grid.shape[2:]
    places = [(t, y, x) for t in range(frames) for y in range(rows) for x in range(columns)]
    levels = torch.stack([level * (t > 0) for t, _, _ in places], 1)
    kinds = [prefix + ("future" if t else "first") for t, _, _ in places]
    return Part("video", grid.flatten(2).transpose(1, 2), levels, angles_of(places, shape.head_dim), kinds)


def video_head(w: Weights, shape: Shape, x: Tensor, time: Tensor, latents: Tensor) -> Tensor:
    """Tokens to velocities of the frames after the first, ``[B, C, T - 1, h, w]``."""
    shift, scale = (w["mot.mixtures.video.head.modulation"] + time[:, :, None]).unbind(2)
    out = linear(w, "mot.mixtures.video.head.head", norm(x) * (1 + scale) + shift)
    velocity = torch.zeros_like(latents)
    channels, frames, height, width = latents.shape[1:]
    p, index = shape.patch, 0
    for t in range(frames):
        for y in range(0, height, p):
            for z in range(0, width, p):
                square = out[:, index].reshape(-1, p, p, channels)
                velocity[:, :, t, y : y + p, z : z + p] = square.permute(0, 3, 1, 2)
                index += 1
    return velocity[:, :, 1:]


def forward(
    w: Weights,
    shape: Shape,
    variant: str,
    context: Tensor,
    video: tuple[Tensor, Tensor],
    action: tuple[Tensor, Tensor] | None = None,
    given: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Velocities of the future video and of the actions.

    Args:
        video: latents with the clean first frame, and the noise level of the others. ``given``: likewise, for IDM.
        action: noisy actions and their level.
    """
    parts = [video_part(w, shape, *video)]
    if given is not None:
        parts.append(video_part(w, shape, *given, prefix="given_"))
    if action is not None:
        x, level = action
        steps = x.shape[1]
        encoded = linear(w, "mot.mixtures.action.action_encoder", x)
        places = angles_of([(i,) for i in range(steps)], shape.head_dim)
        parts.append(Part("action", encoded, level[:, None].expand(-1, steps), places, ["action"] * steps))
    done = trunk(w, shape, parts, context, variant)
    velocity = video_head(w, shape, *done[0], video[0])
    return velocity, None if action is None else linear(w, "mot.mixtures.action.head", done[-1][0])


def levels_of(steps: int, shift: float) -> list[float]:
    return [shift * u / (1 + (shift - 1) * u) for u in (1 - i / steps for i in range(steps + 1))]


def sample(
    w: Weights,
    shape: Shape,
    variant: str,
    context: Tensor,
    first: Tensor,
    noise: Mapping[str, Tensor],
    steps: int,
    shift: float,
) -> dict[str, Tensor]:
    """Euler sampling from ``noise`` (``action [B, H, A]``, ``future [B, C, T, h, w]``): all that ``noise`` names."""
    x = dict(noise)
    batch = len(context)
    levels = levels_of(steps, shift)

    def level(value: float) -> Tensor:
        return torch.full((batch,), value)

    def film() -> Tensor:
        return torch.cat([first, x["future"]], 2) if "future" in x else first

    def step(names: str, given: Tensor | None = None) -> None:
        for now, following in zip(levels[:-1], levels[1:], strict=True):
            action = (x["action"], level(now)) if "action" in names else None
            clean = None if given is None else (given, level(0.0))
            velocity, turn = forward(w, shape, variant, context, (film(), level(now)), action, clean)
            if "future" in names:
                x["future"] = x["future"] + (following - now) * velocity
            if "action" in names and turn is not None:
                x["action"] = x["action"] + (following - now) * turn

    if variant == "joint":
        step(" ".join(x))
        return x
    if "future" in x:
        step("future")
    if "action" in x:
        step("action", film() if variant == "idm" else None)
    return x
