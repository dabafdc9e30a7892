"""`wam bench real`: the true shapes on a GPU; here the same in small, on the CPU."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import yaml
from test_published_run import tiny_preset
from torch import nn

from wam_core.cli.main import run
from wam_core.errors import ContractError
from wam_core.evaluation import real_size
from wam_core.evaluation.real_size import bound_ms, measure, weights_read
from wam_core.presets import load_preset
from wam_core.pretrained.folder import published_spec
from wam_core.pretrained.importer import skeleton
from wam_core.robot.embodiment import load_embodiment

SMALL: Mapping[str, object] = {"base_dim": 8, "decoder_base_dim": 8, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}


def test_the_vae_is_the_published_one() -> None:
    """Prevents: a time of another network under its name."""
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        vae = AutoencoderKLWan(**real_size.WAN_VAE)
    assert sum(p.numel() for p in vae.parameters()) == 704_688_668


def test_the_model_is_of_the_true_size() -> None:
    """Prevents: sixty milliseconds of a model that is not the one that was asked about."""
    preset = load_preset("fast_wam_libero")
    model = skeleton(published_spec(preset, load_embodiment(preset.robot)))
    assert 5.9e9 < sum(p.numel() for p in model.parameters()) < 6.2e9


def test_what_is_measured_is_the_whole_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: a benchmark that was never run before a GPU is there to run it on."""
    parameters = {"/**": {"ros__parameters": tiny_preset().to_dict()}}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False))
    monkeypatch.setattr(real_size, "WAN_VAE", {**real_size.WAN_VAE, **SMALL})
    found = measure(str(tmp_path / "tiny.yaml"), ["eager"], "cpu", 3, 0)
    (row,) = found.rows
    assert row.ratio == 1.0 and row.median_ms > 0 and found.vae_ms > 0 and found.teraflops > 0
    # The action's expert is read in every step, the video's once.
    assert found.gigabytes * 1e9 > 2 * found.parameters


def test_a_gpu_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a driver's stack trace, or a CPU's time taken for a GPU's."""
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(ContractError, match="a GPU that PyTorch sees"):
        run("bench", ["real"])


def test_weights_count_as_often_as_they_are_read() -> None:
    """Prevents: a bound that no card could keep, or one that every card keeps."""
    once, often = nn.Linear(4, 4, bias=False), nn.Linear(4, 8, bias=False)
    model = nn.ModuleList([once, often])

    def compute() -> None:
        x = once(torch.zeros(1, 4))
        for _ in range(3):
            often(x)

    assert weights_read(model, compute) == 4 * (16 + 3 * 32)
    assert bound_ms("NVIDIA H200", int(4.8e9), 0) == pytest.approx(1.0)
    assert bound_ms("NVIDIA H200", 0, int(989e10)) == pytest.approx(10.0)
    assert bound_ms("NVIDIA H100 PCIe", int(2e9), 0) == pytest.approx(1.0)
    assert bound_ms("a card", 1, 1) != bound_ms("a card", 1, 1), "not known"
