"""From the files that are published to actions: import, load, act; against the simple second Fast-WAM."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_fast_wam as reference
import tiny_published
import torch
import yaml

from wam_core.cli.main import run
from wam_core.errors import ContractError
from wam_core.model.groups import Wiring
from wam_core.model.wam import WorldActionModel
from wam_core.preset import Preset
from wam_core.presets import from_dict, load_preset, published_names
from wam_core.pretrained.folder import load_published, published_spec
from wam_core.pretrained.layout import published_state
from wam_core.pretrained.layouts import LAYOUTS
from wam_core.pretrained.policy import PublishedPolicy, load_policy
from wam_core.pretrained.statistics import FIELDS
from wam_core.pretrained.text import FAST_WAM_PROMPT
from wam_core.pretrained.vae import load_vae
from wam_core.robot.embodiment import load_embodiment

TASK = "pick up the red block"
LIBERO = load_embodiment("libero")


def tiny_preset(variant: str = "") -> Preset:
    """A published preset with its wiring and conventions untouched and everything else shrunk."""
    raw = load_preset(f"fast_wam_libero{variant}").to_dict()
    raw["layout"] |= {"height": 32, "width": 32}
    raw["steps"] = 4
    raw["substrates"]["video"] |= {"latent_channels": 4}
    raw["trunk"] |= {"layers": 2, "heads": 2, "head_dim": 12, "text_dim": 16, "time_dim": 16}
    raw["experts"] = {"video": {"width": 32, "ffn": 64}, "action": {"width": 24, "ffn": 48}}
    return from_dict(raw | {"text_length": 24}, "tiny")


def statistics() -> dict[str, dict[str, dict[str, Any]]]:
    rng, made = np.random.default_rng(0), {}
    for part, columns in (("action", LIBERO.action.names), ("state", LIBERO.proprioception)):
        data = rng.normal(0.2, 0.5, (40, 32, len(columns)))
        fields = {}
        for kind, values, axis in (("global", data.reshape(-1, len(columns)), 0), ("stepwise", data, 0)):
            all_of = (values.mean(axis), values.std(axis), values.min(axis), values.max(axis))
            quantiles = np.quantile(values, [0.01, 0.99], axis=axis)
            fields |= {f"{kind}_{f}": v.tolist() for f, v in zip(FIELDS, (*all_of, *quantiles), strict=True)}
        made[part] = {"default": fields}
    return made


class Downloads:
    """What a user has after downloading: the authors' .pt, statistics, and a pipeline's folder."""

    def __init__(self, folder: Path, variant: str = "", dtype: torch.dtype = torch.float32) -> None:
        self.folder, self.preset = folder, tiny_preset(variant)
        parameters = {"/**": {"ros__parameters": self.preset.to_dict()}}
        (folder / "tiny.yaml").write_text(yaml.safe_dump(parameters))
        spec = published_spec(self.preset, LIBERO)
        torch.manual_seed(2)
        state = published_state(LAYOUTS["fast_wam"], WorldActionModel(spec).state_dict(), spec.shapes["video"])
        self.weights = {k: v.to(dtype).contiguous() for k, v in state.items()}
        mot = {k.removeprefix("mot."): v for k, v in self.weights.items() if k.startswith("mot.")}
        proprio = {k.split(".")[1]: v for k, v in self.weights.items() if k.startswith("proprio")}
        content = {"mot": mot, "proprio_encoder": proprio, "step": 7, "torch_dtype": str(dtype)}
        torch.save(content, folder / "libero.pt")
        (folder / "stats.json").write_text(json.dumps(statistics()))
        tiny_published.save_vae(folder / "wan" / "vae")
        tiny_published.save_text(folder / "wan")

    def imported(self, *words: str) -> Path:
        parts = [f"model:={self.folder}/tiny.yaml", f"statistics:={self.folder}/stats.json", f"out:={self.folder}/out"]
        components = [f"vae:={self.folder}/wan", f"text:={self.folder}/wan"]
        assert run("import", [str(self.folder / "libero.pt"), "as:=fast_wam", *parts, *components, *words]) == 0
        return self.folder / "out"


def observation() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(3)
    images = {v.name: rng.integers(0, 255, (v.height, v.width, 3), dtype=np.uint8) for v in LIBERO.cameras}
    return images, rng.normal(0.2, 0.4, len(LIBERO.proprioception))


def expected_actions(made: Downloads, policy: PublishedPolicy, variant: str) -> np.ndarray:
    """The same answer by the description alone; only the noise is taken from the model under test."""
    images, state = observation()
    size = made.preset.trunk
    shape = reference.Shape(size.heads, size.head_dim, size.layers, size.time_dim, 2, bf16_time=True)
    turned = [images[n][::-1, ::-1].reshape(32, 16, 32, 16, 3).mean(axis=(1, 3)) for n in ("agent", "wrist")]
    pixels = torch.from_numpy(np.rint(np.concatenate(turned, axis=1))).float() / 127.5 - 1
    first = load_vae(str(made.folder / "wan")).encode(pixels.permute(2, 0, 1)[None, :, None])
    table = statistics()
    low, high = (np.array(table["state"]["default"][f"global_{f}"]) for f in ("min", "max"))
    proprio = torch.from_numpy(np.clip(2 * (state - low) / (high - low) - 1, -5, 5)).float()[None]
    words = policy._text.embed(TASK)[None]
    context = torch.cat([words, reference.linear(made.weights, "proprio_encoder", proprio)[:, None]], 1)
    rng = torch.Generator().manual_seed(0)
    present = {("video", "present"): torch.zeros(1, 2, 16)}
    noise = policy.model.generate(present, context, ["action"], 0, rng)
    if "future" in noise:
        grid = noise["future"].reshape(1, 2, 1, 2, 4, 2, 2)
        noise["future"] = grid.permute(0, 4, 1, 2, 5, 3, 6).reshape(1, 4, 2, 2, 4)
    sampled = reference.sample(made.weights, shape, variant, context, first, noise, 4, 5.0)["action"][0].numpy()
    low, high = (np.array(table["action"]["default"][f"global_{f}"]) for f in ("min", "max"))
    actions = low + (sampled + 1) / 2 * (high - low)
    actions[:, 6] = actions[:, 6] > 0.5
    return actions


@pytest.mark.parametrize(("suffix", "variant"), [("", "fast"), ("_joint", "joint"), ("_idm", "idm")])
@torch.no_grad()
def test_published_files_run_as_described(suffix: str, variant: str, tmp_path: Path) -> None:
    """Every part agreed by itself, and the robot still missed: the images were turned after the tiles were joined."""
    made = Downloads(tmp_path, suffix)
    policy = load_policy(made.imported())
    images, state = observation()
    actions = policy.act(images, state, TASK)
    assert actions.shape == (32, 7) and set(actions[:, 6]) <= {0.0, 1.0} and policy.replan_steps == 10
    assert np.abs(actions - expected_actions(made, policy, variant)).max() < 2e-3  # Pixels are rounded to 1/255.
    assert np.array_equal(load_policy(made.folder / "out").act(images, state, TASK), actions)


def test_half_precision_weights_stay_so(tmp_path: Path) -> None:
    """Loading doubled the memory: twelve gigabytes of bf16 became twenty-four of fp32."""
    policy = load_policy(Downloads(tmp_path, dtype=torch.bfloat16).imported())
    assert {p.dtype for p in policy.model.parameters()} == {torch.bfloat16, torch.float32}
    wide = {n for n, p in policy.model.named_parameters() if p.dtype == torch.float32}
    assert all("places" in name or "norm3" in name for name in wide)
    images, state = observation()
    assert np.isfinite(policy.act(images, state, TASK)).all()


def test_published_weights_run_in_eight_bits(tmp_path: Path) -> None:
    """Matrices in eight bits met activations of another precision, and the first chunk failed on the card."""
    pytest.importorskip("torchao")
    folder = Downloads(tmp_path, dtype=torch.bfloat16).imported()
    images, state = observation()
    full, held = (load_policy(folder, runtime=name).act(images, state, TASK)[:, :6] for name in ("eager", "int8"))
    assert 0.0 < np.abs(full - held).max() < 0.05 * np.ptp(full)


def test_bad_observations_are_named(tmp_path: Path) -> None:
    """Two cameras of equal size were exchanged, a state of seven numbers was taken for one of eight."""
    policy = load_policy(Downloads(tmp_path).imported())
    images, state = observation()
    with pytest.raises(ContractError, match=r"images\.wrist"):
        policy.act({"agent": images["agent"]}, state, TASK)
    with pytest.raises(ContractError, match=r"images\.agent.*\(512, 512, 3\)"):
        policy.act(images | {"agent": images["agent"][:64]}, state, TASK)
    with pytest.raises(ContractError, match=r"state: got \(7,\), expected 8 numbers: x, y, z"):
        policy.act(images, state[:7], TASK)
    with pytest.raises(ContractError, match=r"state\[3\]"):
        policy.act(images, np.where(np.arange(8) == 3, np.nan, state), TASK)


def test_weights_without_an_action_expert_do_not_act(tmp_path: Path) -> None:
    """Wan alone was imported, and a randomly drawn action expert moved the arm."""
    made = Downloads(tmp_path)
    video = {
        k.removeprefix("mot.mixtures.video."): v for k, v in made.weights.items() if k.startswith("mot.mixtures.video.")
    }
    torch.save(video, tmp_path / "libero.pt")
    folder = made.imported("as:=wan")
    assert len(load_published(folder).origin["untrained"]) > 50
    with pytest.raises(ContractError, match=r"modalities.action.*weights of these parts"):
        load_policy(folder)


def test_nothing_is_written_when_something_does_not_fit(tmp_path: Path) -> None:
    """Half a folder was left behind, and the next start took it for a whole one."""
    made = Downloads(tmp_path)
    with pytest.raises(ContractError, match="model: got 'fast_wam', expected one of fast_wam_libero, "):
        made.imported("model:=fast_wam")
    with pytest.raises(ContractError, match="missing: "):
        made.imported("as:=lerobot")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", published_names())
def test_published_presets_are_what_was_published(name: str) -> None:
    """A number was copied wrongly from the paper: frames, tokens, replanning, the shift of the schedule."""
    preset = load_preset(name)
    libero = "libero" in name
    assert preset.name == name and from_dict(preset.to_dict(), name) == preset
    assert preset.layout.size == ((224, 448) if libero else (384, 320))
    assert preset.substrates["video"].shape(preset.clip).tokens("present") == (98 if libero else 120)
    assert (preset.horizon, preset.clip.instants, preset.steps) == (32, 8, 10)
    assert preset.replan_steps == (10 if libero else 24) and preset.layout.upside_down == libero
    assert preset.published is not None and preset.published.prompt == FAST_WAM_PROMPT
    assert preset.published.normalisation == ("min_max" if libero else "z_score")
    assert preset.trunk.bf16_time and preset.text_length == 128
    generated = [g for g in preset.groups if g.source == "generated"]
    assert all(g.shift == 5.0 and g.generator == "flow_matching" for g in generated)
    stages = {"": (("action",),), "joint": (("future", "action"),), "idm": (("future",), ("action",))}
    assert Wiring(preset.groups).stages(["action"]) == stages[name.split("_", 3)[3] if name.count("_") > 2 else ""]
    body = load_embodiment(preset.robot)
    assert (len(body.action.names), len(body.proprioception)) == ((7, 8) if libero else (14, 14))
    assert preset.layout.cameras == tuple(v.name for v in body.cameras)
