"""What one chunk costs: operations, memory, time."""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from wam_core.contract import ActionChunk, Observation
from wam_core.errors import ContractError
from wam_core.policy import Policy


@dataclass(frozen=True)
class Cost:
    """One chunk of one preset.

    Attributes:
        parameters: of the model. frozen_parameters: of its substrates, which encode what is observed
            and decode what is predicted.
        gflops: floating-point operations (10^9) of matrix products, convolutions and attention, from the observation to
            the chunk; two for a multiplication and an addition.
        peak_mb: weights, and the most that tensors of one chunk take at once on top of them (10^6 bytes).
        latency_ms: median wall time from the observation to the chunk. cpu_ms: median of its thread's time alone, which
            others on the machine do not lengthen by waiting.
        chunks: that times are medians of.
    """

    parameters: int
    frozen_parameters: int
    gflops: float
    peak_mb: float
    latency_ms: float
    cpu_ms: float
    chunks: int


class Timed:
    """A policy whose chunks are timed."""

    def __init__(self, policy: Policy) -> None:
        self.cameras: Sequence[str] = policy.cameras
        self.senses: Sequence[str] = policy.senses
        self.replan_steps = policy.replan_steps
        self.wall_ms: list[float] = []
        self.cpu_ms: list[float] = []
        self._asked: Observation | None = None
        self.parted, self.corrected = policy.parted, policy.corrected
        self._policy = policy

    @property
    def last(self) -> Observation:
        """The observation that it was last asked about.

        Raises:
            ContractError: it was never asked.
        """
        if self._asked is None:
            raise ContractError("episodes", 0, "an episode in which a chunk was asked for")
        return self._asked

    def act(self, observation: Observation) -> ActionChunk:
        self._asked = observation
        began, own = time.perf_counter(), time.thread_time()
        chunk = self._policy.act(observation)
        self.wall_ms.append(1e3 * (time.perf_counter() - began))
        self.cpu_ms.append(1e3 * (time.thread_time() - own))
        return chunk


def cost_of(policy: Policy, episodes: Sequence[Timed]) -> Cost:
    """The cost of the last chunk of the first episode, which ``policy`` made, beside the times of all."""
    asked = episodes[0].last
    parts = [policy.checkpoint.model, *policy.checkpoint.substrates.values()]
    wall, own = [ms for e in episodes for ms in e.wall_ms], [ms for e in episodes for ms in e.cpu_ms]
    return Cost(
        parameters=_numbers(parts[:1]),
        frozen_parameters=_numbers(parts[1:]),
        gflops=operations(lambda: policy.act(asked)) / 1e9,
        peak_mb=(_bytes(parts) + peak_bytes(lambda: policy.act(asked))) / 1e6,
        latency_ms=float(np.median(wall)),
        cpu_ms=float(np.median(own)),
        chunks=len(wall),
    )


def operations(compute: Callable[[], object]) -> int:
    """Floating-point operations of ``compute``."""
    with FlopCounterMode(display=False, custom_mapping=_ON_CPU) as counter:
        compute()
    return int(counter.get_total_flops())


def peak_bytes(compute: Callable[[], object]) -> int:
    """The most that tensors made by ``compute`` take at once; what an operation takes within itself is not seen."""
    with LiveTensors() as live:
        compute()
    return live.peak


class LiveTensors(TorchDispatchMode):
    """Counts the storages that operations make, until each is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        for storage in _storages((args, kwargs or {})):
            self._known.setdefault(storage, None)
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            if storage not in self._known:
                self._known[storage] = None
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def _freed(self, size: int) -> None:
        self.now -= size


def _storages(tree: object) -> list[Any]:
    return [x.untyped_storage() for x in tree_leaves(tree) if isinstance(x, Tensor)]


def _attention(query: Any, key: Any, value: Any, *rest: Any, **options: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


#: PyTorch counts attention on other devices only.
_ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}


def _numbers(parts: Sequence[nn.Module]) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


def _bytes(parts: Sequence[nn.Module]) -> int:
    return sum(x.nbytes for part in parts for x in (*part.parameters(), *part.buffers()))
