"""Learning a wiring: clean groups once, then each set of noisy ones on their keys and values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wam_core.model import flow
from wam_core.model.generators.table import GENERATORS
from wam_core.model.trunk import KeyValue

if TYPE_CHECKING:
    from wam_core.model.wam import Content, WorldActionModel


def losses(
    model: WorldActionModel, clean: Mapping[Content, Tensor], context: Tensor, rng: torch.Generator
) -> dict[str, Tensor]:
    """See :meth:`WorldActionModel.losses`."""
    groups = model.wiring.groups
    features, sigmas = {}, {}
    for name in model.wiring.prefix(groups):
        group, x = groups[name], clean[groups[name].content]
        noisy = torch.rand(len(x), generator=rng, device=x.device) < group.copy_noise
        sigmas[name] = torch.rand(len(x), generator=rng, device=x.device) * noisy + group.level
        noise = torch.randn(x.shape, generator=rng, device=x.device)
        if group.source == "tap":
            features[name] = GENERATORS[groups[group.copy_of].generator].show(x, noise, sigmas[name])[0]
        else:
            features[name] = flow.mix(x, noise, sigmas[name])
    text = model.text_cache(groups, context)
    _, cache = model.run(features, sigmas, text, {})
    found = {n: model.mask(n, x).mean() for n, x in features.items() if groups[n].masked}
    for stage in model.wiring.stages(groups):
        found |= _of_stage(model, stage, clean, text, cache, rng)
    return found


def _of_stage(
    model: WorldActionModel,
    stage: tuple[str, ...],
    clean: Mapping[Content, Tensor],
    text: Mapping[str, list[KeyValue]],
    cache: Mapping[str, list[KeyValue]],
    rng: torch.Generator,
) -> dict[str, Tensor]:
    groups = {n: model.wiring.groups[n] for n in stage}
    draws = min(g.draws for g in groups.values())
    kept = math.ceil(len(next(iter(clean.values()))) * min(g.share for g in groups.values()))
    features, sigmas, targets = {}, {}, {}
    drawn: dict[str, Tensor] = {}
    for name, group in groups.items():
        x = clean[group.content][:kept].repeat(draws, 1, 1)
        noise = torch.randn(x.shape, generator=rng, device=x.device)
        u = drawn.setdefault(group.schedule or name, torch.rand(len(x), generator=rng, device=x.device))
        maker = GENERATORS[group.generator]
        sigmas[name] = maker.noise_level(u, group.shift)
        features[name], *targets[name] = maker.show(x, noise, sigmas[name])
    heads, _ = model.run(features, sigmas, _batch(text, kept, draws), _batch(cache, kept, draws))
    return {
        name: (model.error(groups[name], heads[name], target, rng) * weight).mean()
        for name, (target, weight) in targets.items()
    }


def _batch(cache: Mapping[str, list[KeyValue]], kept: int, times: int) -> dict[str, list[KeyValue]]:
    """Keys and values for a batch that holds each of the first ``kept`` samples ``times`` over."""
    return {
        name: [(k[:kept].repeat(times, 1, 1, 1), v[:kept].repeat(times, 1, 1, 1)) for k, v in layers]
        for name, layers in cache.items()
    }
