"""Fine-tuning: parts that stay as they are, and low-rank adapters in place of the trunk's full matrices."""

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from wam_core.errors import ContractError
from wam_core.pretrained.library import loaded

#: The matrices of the trunk that get adapters: attention and MLP of every block.
ADAPTED = r"trunk\..*\.((self_attn|cross_attn)\.[qkvo](_proj)?|ffn\.[02]|mlp\.(gate|up|down)_proj)"
#: What is trained beside the adapters: everything outside the blocks, where a robot's own numbers enter and leave.
BESIDE = ("modalities.", "proprio_encoder.")


def freeze(model: nn.Module, parts: Iterable[str]) -> None:
    """Keep all parameters whose names begin with one of ``parts`` as they are.

    Raises:
        ContractError: a part that no parameter's name begins with, or nothing left to train.
    """
    for part in parts:
        names = [n for n, _ in model.named_parameters() if n == part or n.startswith(f"{part}.")]
        if not names:
            known = sorted({".".join(n.split(".")[:3]) for n, _ in model.named_parameters()})
            raise ContractError("freeze", part, f"the beginning of a parameter's name, such as {', '.join(known)}")
        for name in names:
            model.get_parameter(name).requires_grad_(False)
    if not any(p.requires_grad for p in model.parameters()):
        raise ContractError("freeze", list(parts), "something left to train")


def add_adapters(model: nn.Module, rank: int) -> None:
    """Freeze the trunk and put low-rank adapters beside its matrices (Hu et al. 2021); they begin at zero.

    Raises:
        ContractError: ``peft`` is not installed, or a rank below 1.
    """
    if rank < 1:
        raise ContractError("lora", rank, "a rank of at least 1")

    def inject() -> None:
        from peft import LoraConfig, inject_adapter_in_model

        # peft keeps its adapters' configuration on the model; alpha = rank makes the scale 1.
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=ADAPTED), model)

    loaded("lora", "peft", inject)
    for name, parameter in model.named_parameters():
        if name.startswith(BESIDE):
            parameter.requires_grad_(True)


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters with adapters as those of the plain model: ``W + B A`` under the plain names."""
    plain = {}
    for key, value in state.items():
        if ".lora_" in key:
            continue
        name = key.replace(".base_layer.", ".")
        low = key.replace(".base_layer.weight", ".lora_A.default.weight")
        if low != key and low in state:
            high = state[key.replace(".base_layer.weight", ".lora_B.default.weight")]
            value = value + (high.float() @ state[low].float()).to(value.dtype)
        plain[name] = value
    return plain


def trained_numbers(model: nn.Module) -> tuple[int, int]:
    """How many numbers are trained, and how many there are."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)
