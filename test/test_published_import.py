"""Importing published weights: every layout, what is refused and how it is told, and the true sizes."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny import WORDS, tiny_preset
from torch import Tensor

from wam_core.errors import ContractError
from wam_core.model.modalities import TokenShape
from wam_core.model.trunk import ExpertSize, TrunkSize
from wam_core.model.wam import ModelSpec, WorldActionModel
from wam_core.presets import load_preset, model_spec
from wam_core.pretrained.files import read_weights
from wam_core.pretrained.importer import import_weights, published_shapes
from wam_core.pretrained.layout import ADDED, published_state
from wam_core.pretrained.layouts import LAYOUTS
from wam_core.robot.robot_file import load_robot

SPEC = model_spec(tiny_preset("fast_wam"), load_robot("panda_cell"), WORDS)


def tiny() -> WorldActionModel:
    """A model as it would have been published: no places."""
    torch.manual_seed(1)
    return WorldActionModel(SPEC).eval()


def stored(layout: str, model: WorldActionModel) -> dict[str, Tensor]:
    state = published_state(LAYOUTS[layout], model.state_dict(), SPEC.shapes["video"])
    return {k: v.contiguous() for k, v in state.items()}


def write(layout: str, model: WorldActionModel, folder: Path) -> Path:
    """The model in a file of this layout, as those who publish it write it."""
    state = stored(layout, model)
    if layout == "fast_wam":
        content = {
            "mot": {k.removeprefix("mot."): v for k, v in state.items() if k.startswith("mot.")},
            "proprio_encoder": {k.split(".")[1]: v for k, v in state.items() if k.startswith("proprio_encoder.")},
            "step": 20000,
            "torch_dtype": "torch.bfloat16",
        }
        torch.save(content, folder / "model.pt")
        return folder / "model.pt"
    if layout == "wan":
        return write_shards(state, folder)
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


def write_shards(state: dict[str, Tensor], folder: Path) -> Path:
    names = sorted(state)
    places = {}
    for i, part in enumerate((names[::2], names[1::2])):
        shard = f"diffusion_pytorch_model-0000{i + 1}-of-00002.safetensors"
        save_file({n: state[n] for n in part}, folder / shard)
        places |= dict.fromkeys(part, shard)
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_every_layout_loads_to_the_same_model(layout: str, tmp_path: Path) -> None:
    """A key map exchanged two tensors of equal shape (cross-attention k and v), which no shape check can see."""
    model = tiny()
    imported = import_weights(write(layout, model, tmp_path), layout, SPEC)
    own = model.state_dict()
    assert all(torch.equal(v, own[k]) and v.dtype == own[k].dtype for k, v in imported.state.items())
    assert set(imported.state) | set(imported.untrained) == set(own)
    missing = {k.split(".")[0] for k in imported.untrained}
    video_only = layout.startswith("wan")
    assert missing == ({"text", "trunk", "modalities", "proprio_encoder"} if video_only else {"text"})
    assert not any("video" in k for k in imported.untrained)

    loaded = tiny()
    for value in loaded.trunk.parameters():
        value.normal_()
    loaded.load_state_dict({**own, **imported.state})
    observed = {("video", "present"): torch.randn(1, *model.shape_of("first_frame"))}
    context = torch.randn(1, 5, SPEC.trunk.text_dim)
    outputs = ["future"] if video_only else ["action", "future"]
    made = [m.generate(observed, context, outputs, 2, torch.Generator().manual_seed(0)) for m in (model, loaded)]
    assert all(torch.equal(made[0][k], made[1][k]) for k in outputs)


def test_what_does_not_fit_is_listed_and_nothing_is_loaded(tmp_path: Path) -> None:
    """A loader that took what fitted left a random head behind, and the first sign was the robot."""
    state = stored("wan_diffusers", tiny())
    for block in range(2):
        state[f"blocks.{block}.attn1.q_proj.weight"] = state.pop(f"blocks.{block}.attn1.to_q.weight")
    state["proj_out.weight"] = state["proj_out.weight"][:-4]
    save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(ContractError) as refused:
        import_weights(tmp_path / "odd.safetensors", "wan_diffusers", SPEC)
    lines = str(refused.value).splitlines()
    assert "odd.safetensors" in lines[0] and "parameters of layout wan_diffusers" in lines[0]
    to_q, q_proj = "blocks.*.attn1.to_q.weight", "blocks.*.attn1.q_proj.weight"
    assert lines[1:] == [
        f"  missing: 2 x {to_q}; closest unknown one: {q_proj}",
        f"  unknown: 2 x {q_proj}; closest missing one: {to_q}",
        "  misshaped: 1 x proj_out.weight: [12, 32], expected [16, 32]",
    ]


def test_a_file_of_another_layout_is_recognised(tmp_path: Path) -> None:
    """Eight hundred missing names said everything except that the wrong layout was named."""
    write("lerobot", tiny(), tmp_path)
    with pytest.raises(ContractError, match="its names are those of layout lerobot"):
        import_weights(tmp_path / "model.safetensors", "lerobot_layers", SPEC)
    with pytest.raises(ContractError, match="did you mean 'lerobot'"):
        import_weights(tmp_path / "model.safetensors", "le_robot", SPEC)


class Code:
    """What a malicious checkpoint holds: unpickling it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("modern", [True, False], ids=["zip", "bare pickle"])
def test_a_pickle_with_code_is_refused_and_does_not_run(modern: bool, tmp_path: Path) -> None:
    """A downloaded .pt ran whatever its author had put into it."""
    target, file = tmp_path / "ran", tmp_path / "model.pt"
    content = {"mot": {}, "proprio_encoder": {}, "step": Code(target)}
    if modern:
        torch.save(content, file)
    else:
        file.write_bytes(pickle.dumps(content))
    with pytest.raises(ContractError, match="one that asks to run code is refused"):
        import_weights(file, "fast_wam", SPEC)
    assert not target.exists()
    pickle.loads(pickle.dumps(Code(target)))  # The trap itself works.
    assert target.exists()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A cut-off download ended in a stack trace of a library."""
    for name, content in (("a.safetensors", b"x" * 20), ("a.pt", b"PK\x03\x04 cut off"), ("b.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ContractError, match=name):
            read_weights(tmp_path / name)
    with pytest.raises(ContractError, match="nowhere"):
        read_weights(tmp_path / "nowhere.pt")
    folder = write("wan", tiny(), tmp_path)
    next(folder.glob("*-00002-*.safetensors")).unlink()
    with pytest.raises(ContractError, match="00002-of-00002"):
        read_weights(folder / "diffusion_pytorch_model.safetensors.index.json")


def linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def expert(width: int, ffn: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one expert as they are published, written down from the model's description."""
    inner, text, layers = 24 * 128, 4096, 30
    shapes = linear("text_embedding.0", text, width) | linear("text_embedding.2", width, width)
    shapes |= linear("time_embedding.0", 256, width) | linear("time_embedding.2", width, width)
    shapes |= linear("time_projection.1", width, 6 * width)
    for n in range(layers):
        for attention in ("self_attn", "cross_attn"):
            for projection in "qkv":
                shapes |= linear(f"blocks.{n}.{attention}.{projection}", width, inner)
            shapes |= linear(f"blocks.{n}.{attention}.o", inner, width)
            shapes |= {f"blocks.{n}.{attention}.norm_{x}.weight": (inner,) for x in "qk"}
        shapes |= {f"blocks.{n}.norm3.{x}": (width,) for x in ("weight", "bias")}
        shapes |= linear(f"blocks.{n}.ffn.0", width, ffn) | linear(f"blocks.{n}.ffn.2", ffn, width)
        shapes[f"blocks.{n}.modulation"] = (1, 6, width)
    return shapes


def count(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(int(torch.Size(s).numel()) for s in shapes.values())


def full_spec(action_dim: int, proprio_dim: int, latent: tuple[int, int, int]) -> ModelSpec:
    return ModelSpec(
        groups=load_preset("fast_wam").groups,
        experts={"video": ExpertSize(3072, 14336), "action": ExpertSize(1024, 4096)},
        trunk=TrunkSize(layers=30, heads=24, head_dim=128, text_dim=4096, time_dim=256, bf16_time=True),
        shapes={
            "video": TokenShape(1, 2, (latent[1] // 2, latent[2] // 2), 4 * latent[0], patch=2),
            "action": TokenShape(0, 32, (), action_dim),
        },
        proprio_dim=proprio_dim,
        vocabulary=("reach",),
        text_length=128,
    )


def test_the_true_sizes_are_the_published_ones() -> None:
    """The tiny model agreed with the libraries while the full one lacked a bias that the released file has."""
    video, action = expert(3072, 14336), expert(1024, 4096)
    video |= {"patch_embedding.weight": (3072, 48, 1, 2, 2), "patch_embedding.bias": (3072,)}
    video |= linear("head.head", 3072, 4 * 48) | {"head.modulation": (1, 2, 3072)}
    assert len(video) == 825 and count(video) == 4_999_787_712  # As Wan2.2-TI2V-5B's index says: 19 999 150 848 bytes.
    libero = full_spec(7, 8, (48, 14, 28))
    assert published_shapes(LAYOUTS["wan"], libero) == video
    assert count(published_shapes(LAYOUTS["wan_diffusers"], libero)) == count(video)

    action |= linear("action_encoder", 7, 1024) | linear("head", 1024, 7)
    official = {f"mot.mixtures.video.{k}": v for k, v in video.items()}
    official |= {f"mot.mixtures.action.{k}": v for k, v in action.items()} | linear("proprio_encoder", 8, 4096)
    assert published_shapes(LAYOUTS["fast_wam"], libero) == official
    assert count(official) == 4_999_787_712 + 1_020_886_023 + 36_864
    assert published_shapes(LAYOUTS["lerobot"], libero) == {f"model.{k}": v for k, v in official.items()}


def test_diffusers_names_its_parameters_so() -> None:
    """The map to diffusers' names was checked at two layers of a tiny model only."""
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        sizes = {"num_attention_heads": 24, "in_channels": 48, "out_channels": 48, "ffn_dim": 14336, "num_layers": 30}
        wan = WanTransformer3DModel(**sizes)
    theirs = {k: tuple(v.shape) for k, v in wan.state_dict().items()}
    assert published_shapes(LAYOUTS["wan_diffusers"], full_spec(7, 8, (48, 14, 28))) == theirs


def test_what_we_added_is_all_that_no_file_holds() -> None:
    """A parameter added to the trunk would silently make every published file incomplete."""
    state = tiny().state_dict()
    covered = {k for k in state if published_state(LAYOUTS["fast_wam"], {k: state[k]}, SPEC.shapes["video"])}
    assert {k for k in state if not k.startswith("text.")} - covered == set(ADDED)

