"""Graphs in ONNX, which onnxruntime runs: for machines that OpenVINO is not made for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from wam_core.errors import ContractError
from wam_core.model.runtimes.exported import Compiled, Exported

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel


class OnnxRuntime(Exported):
    """In float32: the same model as eager, to the last digits."""

    package = "onnxruntime"

    def __init__(self, model: WorldActionModel) -> None:
        """Raises :class:`ContractError` when onnxruntime, or what exports for it, is not installed."""
        super().__init__(model)
        try:
            import onnxruntime
            import onnxscript  # noqa: F401  (what PyTorch exports with)
        except ImportError as error:
            expected = "onnxruntime and onnxscript: pip install -r requirements-onnxruntime.txt"
            raise ContractError("runtime", f"{error.name} is not installed", expected) from None
        self._onnxruntime: Any = onnxruntime

    def compile(self, module: nn.Module, example: Sequence[Tensor]) -> Compiled:
        settings = self._onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        names = [f"x{i}" for i in range(len(example))]
        with TemporaryDirectory() as folder:  # not in memory, where a graph may have no more than 2 GB
            file = str(Path(folder) / "graph.onnx")
            torch.onnx.export(module.eval(), tuple(example), file, input_names=names, dynamo=True, verbose=False)
            return _Session(self._onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"]))


class _Session:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._given: dict[str, np.ndarray] = {}

    def __call__(self, values: Sequence[Tensor]) -> list[Tensor]:
        self._given |= {f"x{i}": value.contiguous().numpy() for i, value in enumerate(values)}
        return [torch.from_numpy(made) for made in self._session.run(None, self._given)]
