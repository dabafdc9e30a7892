"""The preprocessing kernel compiled for the CPU: its sums are checked where no GPU is, one thread after the other."""

import ctypes
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wam_core.preprocess.fused import BLOCK, KINDS, kernel_source, placements
from wam_core.preprocess.images import ImageLayout, Views
from wam_core.preprocess.raw import RawImage

#: What CUDA gives a kernel, and a loop over all threads of a launch.
BEFORE = """
#include <cmath>
struct Three { int x, y, z; };
static thread_local Three blockIdx, blockDim, threadIdx;
"""
AFTER = """
extern "C" void launch(int across, int down, int wide, int high, const unsigned char* bytes, int a, int b, int c, int d,
                       int e, int f, int g, int h, int i, const short* pixels, const unsigned short* shares, void* out,
                       int k, int height, int width, int top, int left, int rows, int columns) {
    blockDim = {wide, high, 1};
    for (blockIdx.y = 0; blockIdx.y < down; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < across; ++blockIdx.x)
            for (threadIdx.y = 0; threadIdx.y < high; ++threadIdx.y)
                for (threadIdx.x = 0; threadIdx.x < wide; ++threadIdx.x)
                    if (pixels)
                        place_straight(bytes, a, b, c, d, e, f, g, h, i, pixels, shares, out, k, height, width, top,
                                       left, rows, columns);
                    else
                        place(bytes, a, b, c, d, e, f, g, h, i, out, k, height, width, top, left, rows, columns);
}
"""


@cache
def _library(folder: Path) -> ctypes.CDLL:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler to compile the kernel with")
    source, library = folder / "picture.cpp", folder / "picture.so"
    source.write_text(BEFORE + kernel_source() + AFTER)
    subprocess.run([compiler, "-O2", "-std=c++11", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def picture_of(
    folder: Path, robot: Views, raw: dict[str, RawImage], layout: ImageLayout, kind: str
) -> NDArray[np.generic]:
    """What :class:`FusedPictures` gives, by the kernel's own arithmetic."""
    height, width = layout.size
    out = np.zeros((height, width, 3) if kind == KINDS[0] else (3, height, width), kind)
    for image, before, after in placements(robot, raw, layout, kind):
        grid = (-(-after[-1] // BLOCK[0]), -(-after[-2] // BLOCK[1]))
        data, found = np.ascontiguousarray(image.data), image.undistortion
        maps = (None, None) if found is None else (_address(found.pixels), _address(found.shares))
        _library(folder).launch(*grid, *BLOCK, _address(data), *before, *maps, _address(out), *after)
    return out


def _address(values: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)
