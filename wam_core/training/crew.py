"""Training in several processes, on one machine or many: who takes part, and a model that is spread over all of them.

torchrun --nproc-per-node 8 -m wam_core.cli.main train ...
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from wam_core.errors import ContractError


@dataclass(frozen=True)
class Crew:
    """The processes of one training run, as each of them sees it: it is number ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that speaks and writes files."""
        return self.rank == 0

    def parts(self, count: int) -> range:
        """Which of ``count`` parts of a batch this process takes.

        Raises:
            ContractError: they cannot be shared equally.
        """
        if count % self.size:
            raise ContractError("parts", count, f"a multiple of {self.size}, the number of processes")
        return range(self.rank, count, self.size)


ALONE = Crew()


def muster() -> Crew:
    """All that ``torchrun`` started, connected; :data:`ALONE` in a process that it did not start."""
    if "RANK" not in os.environ:
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Crew(distributed.get_rank(), distributed.get_world_size())


def dismiss(crew: Crew) -> None:
    """End of the run."""
    if crew.size > 1:
        distributed.destroy_process_group()


@contextmanager
def leader_first(crew: Crew) -> Iterator[None]:
    """What is done within is done by the leader, and then by the others."""
    if not crew.leads:
        distributed.barrier()
    yield
    if crew.leads and crew.size > 1:
        distributed.barrier()


def spread(model: nn.Module, crew: Crew) -> None:
    """Give each process its share of every parameter, and so of its gradient and of the optimiser's numbers (FSDP2).

    Whole parameters exist from the beginning of a pass to the end of the gradients' alone.
    """
    if crew.size == 1:
        return
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fully_shard(model, mesh=init_device_mesh(device, (crew.size,)))
    for method in ("context", "losses"):
        register_fsdp_forward_method(model, method)


def whole(value: Tensor) -> Tensor:
    """A parameter, or a number made of it, as all processes together hold it; to be called by all of them."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def mean(values: Tensor, crew: Crew) -> Tensor:
    """``values`` averaged over all processes; to be called by all of them."""
    if crew.size > 1:
        distributed.all_reduce(values)
    return values / crew.size
