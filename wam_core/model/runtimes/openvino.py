"""Graphs that OpenVINO compiled."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from wam_core.errors import ContractError
from wam_core.model.runtimes.exported import Compiled, Exported

if TYPE_CHECKING:
    from wam_core.model.wam import WorldActionModel


class _ByOpenVino(Exported, ABC):
    """Attributes:
    precision: of weights and activations, as OpenVINO calls it.
    """

    package = "openvino"
    precision: ClassVar[str]

    def __init__(self, model: WorldActionModel) -> None:
        """Raises :class:`ContractError` when OpenVINO is not installed, or has no such precision on this CPU."""
        super().__init__(model)
        try:
            import openvino
        except ImportError:
            expected = "openvino: pip install -r requirements-openvino.txt (or runtime onnxruntime)"
            raise ContractError("runtime", "openvino is not installed", expected) from None
        self._openvino: Any = openvino
        self._core = openvino.Core()
        known = [name.lower() for name in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")]
        if self.precision not in known + ["f32"]:
            raise ContractError("runtime", self.precision, "a CPU with bfloat16 arithmetic, or runtime openvino")

    def compile(self, module: nn.Module, example: Sequence[Tensor]) -> Compiled:
        graph = self._openvino.convert_model(module, example_input=tuple(example))
        for port, value in zip(graph.inputs, example, strict=True):
            port.get_node().set_partial_shape(self._openvino.PartialShape(list(value.shape)))
        graph.validate_nodes_and_infer_types()
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        request = self._core.compile_model(graph, "CPU", settings).create_infer_request()
        return _Request(request, self._openvino.Tensor, example)


class OpenVino(_ByOpenVino):
    """In float32: the same model as eager, to the last digits."""

    precision = "f32"


class OpenVinoBf16(_ByOpenVino):
    """In bfloat16, on CPUs that have it: half the weights to read, and eight bits of each number instead of 24."""

    precision = "bf16"


class _Request:
    """A graph whose inputs and outputs stay where they are: to name another place takes longer than to copy."""

    def __init__(self, request: Any, tensor: Callable[..., Any], example: Sequence[Tensor]) -> None:
        self._request = request
        self._inputs = [torch.empty(x.shape, dtype=x.dtype) for x in example]
        made = (np.empty(tuple(port.shape), port.element_type.to_dtype()) for port in request.model_outputs)
        self._outputs = [torch.from_numpy(x) for x in made]
        for i, x in enumerate(self._inputs):
            request.set_input_tensor(i, tensor(x.numpy(), shared_memory=True))
        for i, x in enumerate(self._outputs):
            request.set_output_tensor(i, tensor(x.numpy(), shared_memory=True))

    def __call__(self, values: Sequence[Tensor]) -> list[Tensor]:
        for place, value in zip(self._inputs, values, strict=False):
            place.copy_(value)
        self._request.infer()
        return [made.clone() for made in self._outputs]
