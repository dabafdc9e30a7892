"""Our trunk, wiring and sampler against the second, simple Fast-WAM of ``reference_fast_wam.py``."""

from dataclasses import replace

import pytest
import reference_fast_wam as reference
import torch
from tiny import WORDS, tiny_preset

from wam_core.model.wam import WorldActionModel
from wam_core.presets import model_spec
from wam_core.pretrained.layout import published_state
from wam_core.pretrained.layouts import LAYOUTS
from wam_core.robot.robot_file import load_robot
from wam_core.substrates.patches import patchify, unpatchify

VARIANTS = {"fast": "fast_wam", "joint": "fast_wam_joint", "idm": "fast_wam_idm"}
SHIFT = 5.0


class Case:
    """One variant with random weights in the published form: velocities are predicted and ``places`` are zero."""

    def __init__(self, variant: str, rounded: bool = False) -> None:
        preset = tiny_preset(VARIANTS[variant])
        groups = tuple(replace(g, generator="flow_matching" if g.generator else "", steps=0) for g in preset.groups)
        preset = replace(preset, groups=groups, trunk=replace(preset.trunk, bf16_time=rounded))
        torch.manual_seed(3)
        spec = model_spec(preset, load_robot("panda_cell"), WORDS)
        self.model = WorldActionModel(spec).eval()
        with torch.no_grad():
            for name, value in self.model.named_parameters():
                if not name.endswith("places"):
                    value.add_(0.1 * torch.randn_like(value))
        video, action = spec.shapes["video"], spec.shapes["action"]
        channels, height, width = self.latent = (video.channels, *(n * video.patch for n in video.grid))
        self.variant, self.patch = variant, video.patch
        self.weights = published_state(LAYOUTS["fast_wam"], self.model.state_dict(), video)
        size = preset.trunk
        self.shape = reference.Shape(size.heads, size.head_dim, size.layers, size.time_dim, video.patch, rounded)
        self.first = torch.randn(2, channels, 1, height, width)
        self.future, self.given = (torch.randn(2, channels, video.future, height, width) for _ in range(2))
        self.action = torch.randn(2, action.future, action.features)
        self.context = self.model.context(torch.randint(1, 10, (2, 12)), torch.randn(2, 7)).detach()

    def film(self, future: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first, future], 2)

    def as_video(self, features: torch.Tensor) -> torch.Tensor:
        return unpatchify(features, self.patch, self.latent)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_the_trunk_is_fast_wam(variant: str, rounded: bool) -> None:
    """A swapped modulation, a head in another order, a mask off by one group: the robot got plausible noise."""
    case = Case(variant, rounded)
    levels = {"future": torch.tensor([0.31, 0.77]), "action": torch.tensor([0.9, 0.123])}
    features = {
        "first_frame": patchify(case.first, case.patch),
        "future": patchify(case.future, case.patch),
        "action": case.action,
    }
    sigmas = {"first_frame": torch.zeros(2), **levels}
    given = None
    if variant == "idm":
        # Noise augmentation of the video that the action is shown.
        features["future_copy"] = patchify(case.given, case.patch)
        sigmas["future_copy"] = torch.tensor([0.0, 0.4])
        given = (case.film(case.given), sigmas["future_copy"])
    heads, _ = case.model.run(features, sigmas, case.model.text_cache(features, case.context), {})
    video, action = reference.forward(
        case.weights,
        case.shape,
        variant,
        case.context,
        (case.film(case.future), levels["future"]),
        (case.action, levels["action"]),
        given,
    )
    assert action is not None and heads["action"].abs().max() > 0.1
    assert (case.as_video(heads["future"]) - video).abs().max() < 1e-5
    assert (heads["action"] - action).abs().max() < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("outputs", [("action",), ("action", "future"), ("future",)])
def test_the_sampler_is_fast_wam(variant: str, outputs: tuple[str, ...]) -> None:
    """The last step stopped short of zero noise, and the IDM form saw the noisy video in place of the finished one."""
    case = Case(variant, rounded=True)
    observed = {("video", "present"): patchify(case.first, case.patch)}

    def generate(steps: int) -> dict[str, torch.Tensor]:
        return case.model.generate(observed, case.context, outputs, steps, torch.Generator().manual_seed(5))

    noise, made = generate(0), generate(10)
    as_latents = {n: case.as_video(v) if n == "future" else v for n, v in noise.items()}
    with torch.no_grad():
        expected = reference.sample(
            case.weights, case.shape, variant, case.context, case.first, as_latents, 10, SHIFT
        )
    assert set(made) == set(expected) >= set(outputs)
    for name, value in made.items():
        got = case.as_video(value) if name == "future" else value
        assert (got - expected[name]).abs().max() < 1e-5


@torch.no_grad()
def test_a_rounded_time_step_is_another_time_step() -> None:
    """The rounding was written down but not applied: 833.3 is 832 in bf16, and published weights expect 832."""
    exact, rounded = Case("fast"), Case("fast", rounded=True)
    level = torch.tensor([5 / 6])
    vectors = [c.model.trunk.expert("action").embed_time(level)[0] for c in (exact, rounded)]
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3
    even = rounded.model.trunk.expert("action").embed_time(torch.tensor([0.832]))[0]
    assert torch.allclose(vectors[1], even)
