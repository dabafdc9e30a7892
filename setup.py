"""Package wam for pip (editable, in a checkout) and for colcon (ament_python, in a ROS workspace)."""

from pathlib import Path

from setuptools import find_packages, setup

#: Folders installed to share/wam, where wam_core.paths.share_path finds them.
SHARED = ("config", "urdf", "launch", "checkpoints", "wam_msgs/msg")


def shared_files() -> list[tuple[str, list[str]]]:
    """(destination folder, files) for each folder below SHARED that holds files."""
    folders = [f for top in SHARED for f in (Path(top), *Path(top).rglob("*")) if f.is_dir()]
    files = {folder: [str(p) for p in sorted(folder.iterdir()) if p.is_file()] for folder in folders}
    return [(f"share/wam/{folder}", names) for folder, names in files.items() if names]


def pinned(file: str) -> list[str]:
    """The requirements in ``file``, without its comments."""
    lines = (Path(__file__).parent / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


setup(
    name="wam",
    version="0.1.0",
    description="Run any World Action Model on a ROS 2 arm by naming a parameter file.",
    license="Apache-2.0",
    packages=find_packages(include=["wam_core", "wam_core.*", "wam_ros", "wam_ros.*"]),
    python_requires=">=3.11",
    package_data={"wam_core.preprocess": ["*.cu"]},
    extras_require={
        "gpu": pinned("requirements-gpu.txt"),
        "int8": pinned("requirements-int8.txt"),
        "onnxruntime": pinned("requirements-onnxruntime.txt"),
        "openvino": pinned("requirements-openvino.txt"),
        "published": pinned("requirements-published.txt"),
        "ray": pinned("requirements-ray.txt"),
        "view": pinned("requirements-view.txt"),
    },
    zip_safe=True,
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/wam"]),
        ("share/wam", ["package.xml"]),
        *shared_files(),
    ],
    entry_points={
        "console_scripts": [
            "wam = wam_core.cli.main:main",
            "wam_inference = wam_ros.inference_node:main",
            "wam_executor = wam_ros.executor_node:main",
            "wam_futures = wam_ros.futures_node:main",
            "wam_cell = wam_ros.cell_node:main",
            "wam_recorder = wam_ros.recorder_node:main",
        ]
    },
)
