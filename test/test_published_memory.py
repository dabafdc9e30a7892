"""The memory statement: what it counts is what a model really holds."""

import json

import pytest
import torch
from test_published_run import LIBERO, tiny_preset

from wam_core.cli.main import run
from wam_core.errors import ContractError
from wam_core.model.wam import WorldActionModel
from wam_core.presets import load_preset
from wam_core.pretrained.folder import published_spec
from wam_core.pretrained.memory import fits, memory_of
from wam_core.robot.embodiment import load_embodiment


@pytest.mark.parametrize("suffix", ["", "_joint", "_idm"])
@torch.no_grad()
def test_the_counts_are_those_of_a_model_that_runs(suffix: str) -> None:
    """The statement forgot the cached text of the second expert, and the card overflowed at the first chunk."""
    spec = published_spec(tiny_preset(suffix), LIBERO)
    memory, model = memory_of(spec, ("action",), bytes_each=4), WorldActionModel(spec)
    assert memory.weights == sum(p.numel() * p.element_size() for p in model.parameters())
    needed = model.wiring.needed(["action"])
    context = torch.zeros(1, spec.text_length + 1, spec.trunk.text_dim)
    clean = [n for n in needed if model.wiring.groups[n].source != "generated"]
    features = {n: torch.zeros(1, *model.shape_of(n)) for n in clean}
    text = model.text_cache(needed, context)
    _, cache = model.run(features, dict.fromkeys(clean, torch.zeros(1)), text, {})
    held = sum(x.numel() for c in (text, cache) for layers in c.values() for pair in layers for x in pair)
    assert memory.cache == 2 * held


def test_the_statement_of_the_released_model() -> None:
    """A 24 GB card was promised what takes 25."""
    spec = published_spec(load_preset("fast_wam_libero"), load_embodiment("libero"))
    memory = memory_of(spec, ("action",))
    assert memory.weights == pytest.approx(2 * 6_020_710_599, rel=1e-3)
    assert {card: fits(memory, card) for card in (16, 24, 48, 80)} == {
        16: "text on the CPU",
        24: "text on the CPU",
        48: "with text",
        80: "with text",
    }
    assert fits(memory, 8) == "no"


def test_wam_memory_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The verb was listed and failed."""
    assert run("memory", ["model:=fast_wam_libero", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["preset"] == "fast_wam_libero" and row["cards"]["48"] == "with text"
    with pytest.raises(ContractError, match="expected one of fast_wam_libero"):
        run("memory", ["model:=fast_wam"])


def test_in_eight_bits_a_card_of_16_gb_has_room_to_spare() -> None:
    """The statement counted every parameter as one byte, those outside the blocks and the scales, too."""
    tiny = published_spec(tiny_preset(), LIBERO)
    model = WorldActionModel(tiny)
    held = [m.weight for n, m in model.named_modules() if ".blocks." in n and isinstance(m, torch.nn.Linear)]
    saved = sum(3 * w.numel() - 4 * len(w) for w in held)
    full = memory_of(tiny, ("action",), bytes_each=4)
    assert memory_of(tiny, ("action",), bytes_each=4, int8=True).weights == full.weights - saved
    released = memory_of(
        published_spec(load_preset("fast_wam_libero"), load_embodiment("libero")), ("action",), int8=True
    )
    assert 0.5 < released.weights / (2 * 6_020_710_599) < 0.53
