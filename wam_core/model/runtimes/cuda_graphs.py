"""Passes as CUDA graphs: one launch for a pass instead of one for each of its operations.

A small action expert on a large card waits for launches, not for arithmetic: that is what is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from wam_core.errors import ContractError
from wam_core.model.runtimes.captured import Captured, Tensors

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel

#: Passes before the one that is recorded: libraries make their workspaces and choose their kernels in the first ones.
WARM_UPS = 3


class CudaGraphs(Captured):
    """Of a model that is on a GPU already."""

    package = "torch"

    def __init__(self, model: WorldActionModel) -> None:
        """Raises :class:`ContractError` for a model that is elsewhere."""
        super().__init__(model)
        where = next(model.parameters()).device
        if where.type != "cuda":
            raise ContractError("runtime", f"cuda_graphs of a model on {where}", "a model on a GPU: device:=cuda")

    def capture(self, run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        # What autocast keeps of one pass must not be in another one's recording.
        half = torch.autocast(
            "cuda", torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda"), cache_enabled=False
        )
        with half:
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UPS):
                    run()
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                made = run()
        return made, graph.replay
