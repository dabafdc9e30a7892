"""The runtimes that can be chosen by name."""

from collections.abc import Mapping

from wam_core.model.runtimes.cuda_graphs import CudaGraphs
from wam_core.model.runtimes.eager import Eager
from wam_core.model.runtimes.int8 import Int8
from wam_core.model.runtimes.onnx import OnnxRuntime
from wam_core.model.runtimes.openvino import OpenVino, OpenVinoBf16
from wam_core.model.runtimes.runtime import Runtime

RUNTIMES: Mapping[str, type[Runtime]] = {
    "eager": Eager,
    "openvino": OpenVino,
    "openvino_bf16": OpenVinoBf16,
    "onnxruntime": OnnxRuntime,
    "int8": Int8,
    "cuda_graphs": CudaGraphs,
}
