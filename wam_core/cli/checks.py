"""What `wam doctor` looks at: one function per line, in one table."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from wam_core.errors import ContractError
from wam_core.paths import share_path

#: Recordings and training fill disks; below this a run is likely to end half-way (bytes).
FREE_DISK = 2 * 2**30
#: Each of about six processes maps a segment of 32 MB (bytes).
SHARED_MEMORY = 256 * 2**20
#: A 640x480 rgb8 image with its header (bytes).
IMAGE_MESSAGE = 2**20


@dataclass(frozen=True)
class Finding:
    """One answer: ``missing`` is needed, ``optional`` is not; ``remedy`` says how to get it, empty when ok."""

    status: Literal["ok", "missing", "optional"]
    detail: str
    remedy: str = ""


def _python(model: str, robot: str) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info < (3, 14):
        return Finding("missing", f"CPython 3.11 to 3.13, this is {version}", "sudo apt install python3 python3-venv")
    return Finding("ok", f"{version} ({sys.executable})")


def _build_tools(model: str, robot: str) -> Finding:
    absent = [tool for tool in ("g++", "cmake", "make") if shutil.which(tool) is None]
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        absent.append("python3-dev")
    if absent:
        return Finding("missing", " ".join(absent), f"sudo apt install {' '.join(absent)}")
    return Finding("ok", "g++ cmake make Python.h")


def _packages(model: str, robot: str) -> Finding:
    try:
        pinned = re.findall(r"^([\w.-]+)==([\w.]+)", share_path("requirements.txt").read_text(), re.MULTILINE)
    except ContractError:
        return Finding("optional", "requirements.txt is not beside the package", "use a checkout to compare versions")
    wrong = []
    for name, version in pinned:
        try:
            found = importlib.metadata.version(name).split("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if found != version:
            wrong.append(f"{name} {version} (found {found})")
    return Finding("missing", ", ".join(wrong), "make setup") if wrong else Finding("ok", f"{len(pinned)} as pinned")


def _ros(model: str, robot: str) -> Finding:
    if importlib.util.find_spec("rclpy") is None:
        return Finding("missing", "rclpy", "make setup, or source your ROS 2 first")
    distribution = os.environ.get("ROS_DISTRO")
    return Finding("ok", f"ROS {distribution}, sourced" if distribution else "rclpy from PyPI wheels")


def _messages(model: str, robot: str) -> Finding:
    # In a process of its own: the core does not import ROS, and a library that fails to load may abort. The sources
    # import as an empty package from the checkout's root, so the contents are asked for.
    code = "from wam_msgs.msg import ActionChunk; ActionChunk.__class__.__import_type_support__()"
    tried = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    if tried.returncode:
        reason = (tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"])[-1]
        return Finding("missing", f"wam_msgs: {reason}", "make setup, or colcon build and source install/setup.bash")
    return Finding("ok", "imports")


def _transport(model: str, robot: str) -> Finding:
    profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE", "")
    remedy = f"export FASTDDS_DEFAULT_PROFILES_FILE={share_path('config/fastdds.xml')}"
    if "fastrtps" not in os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"):
        return Finding("ok", f"{os.environ['RMW_IMPLEMENTATION']}, which does not read the profile")
    try:
        sizes = [int(e.text or 0) for e in ElementTree.parse(profile).iter() if e.tag.endswith("segment_size")]
    except (OSError, ElementTree.ParseError) as error:
        return Finding("missing", f"Fast DDS profile {profile or '(none set)'}: {error}", remedy)
    if max(sizes, default=0) < 4 * IMAGE_MESSAGE:
        return Finding("missing", f"{profile} has no shared-memory segment for camera images", remedy)
    return Finding("ok", f"{profile}, segment of {max(sizes) / 2**20:.0f} MB")


def _shared_memory(model: str, robot: str) -> Finding:
    if not Path("/dev/shm").is_dir():
        return Finding("missing", "/dev/shm", "in a container: docker run --shm-size=512m (or --ipc=host)")
    free = shutil.disk_usage("/dev/shm").free
    detail = f"/dev/shm has {free / 2**20:.0f} MB free"
    if free < SHARED_MEMORY:
        return Finding("missing", detail, "in a container: docker run --shm-size=512m (or --ipc=host)")
    return Finding("ok", detail)


def _rendering(model: str, robot: str) -> Finding:
    from wam_core.cell.rendering import choose_renderer

    name = choose_renderer("auto")
    if name == "raycast":
        return Finding("optional", "no OpenGL, the cell uses ray casting", "sudo apt install libegl1 libgl1-mesa-dri")
    return Finding("ok", name)


def _gpu(model: str, robot: str) -> Finding:
    import torch

    if not torch.cuda.is_available():
        return Finding("optional", "no NVIDIA GPU that torch can use, the CPU is used")
    cupy = importlib.util.find_spec("cupy") is not None
    detail = f"{torch.cuda.get_device_name()}, cupy {'installed' if cupy else 'not installed'}"
    return Finding("ok" if cupy else "optional", detail, "" if cupy else "pip install 'wam[gpu]'")


def _robot(model: str, robot: str) -> Finding:
    from wam_core.robot.check import check_home
    from wam_core.robot.robot_file import load_robot

    try:
        found = load_robot(robot)
        place = check_home(found)
    except (ContractError, OSError, ValueError, yaml.YAMLError) as error:
        return Finding("missing", str(error), "correct the robot file or the URDF named here")
    where = " ".join(f"{value:.3f}" for value in place)
    return Finding("ok", f"{robot}, {share_path(found.urdf).name}; at home the tool is at {where} m")


def _real_time(model: str, robot: str) -> Finding:
    from wam_core.realtime import awake, favour_thread

    with awake() as processors, ThreadPoolExecutor(1) as thread:
        said = f"{thread.submit(favour_thread, 1).result()}; {processors}"
    if "allow" in said:
        return Finding("optional", said, "the limits and the udev rule of docs/robots.md, where a real arm is moved")
    return Finding("ok", said)


def _presets(model: str, robot: str) -> Finding:
    from wam_core.presets import load_preset, preset_names

    broken = []
    for name in preset_names():
        try:
            load_preset(name)
        except (ContractError, OSError, yaml.YAMLError) as error:
            broken.append(f"{name}: {error}")
    if broken:
        return Finding("missing", "; ".join(broken), "correct the parameter files named here")
    return Finding("ok", ", ".join(preset_names()))


def _checkpoint(model: str, robot: str) -> Finding:
    from wam_core.policy import load_policy
    from wam_core.robot.robot_file import load_robot

    try:
        load_policy(model, load_robot(robot))
        return Finding("ok", f"{model} loads and fits {robot}")
    except (ContractError, OSError) as error:
        return Finding("missing", str(error), f"wam train model:={model}, or a checkpoint made for {robot}")


def _contract(model: str, robot: str) -> Finding:
    from wam_core.policy import checkpoint_folder
    from wam_core.robot.binding import differences
    from wam_core.robot.robot_file import from_dict, load_robot

    try:
        file = checkpoint_folder(model) / "robot.yaml"
        trained = from_dict(yaml.safe_load(file.read_text()), str(file))
        found = [str(error) for error in differences(trained, load_robot(robot))]
    except (ContractError, OSError, yaml.YAMLError) as error:
        return Finding("missing", str(error), f"wam train model:={model}, or name a checkpoint folder and a robot file")
    if found:
        return Finding("missing", "; ".join(found), "a robot file that says what is true, or training for this robot")
    return Finding("ok", f"{robot} is what {model} was trained on: joints, cameras, action space, rates")


def _disk(model: str, robot: str) -> Finding:
    free = shutil.disk_usage(".").free
    detail = f"{free / 2**30:.1f} GB free in {Path.cwd()}"
    if free < FREE_DISK:
        return Finding("missing", detail, f"make room: recordings and training want {FREE_DISK / 2**30:.0f} GB")
    return Finding("ok", detail)


def _rviz(model: str, robot: str) -> Finding:
    if shutil.which("rviz2") is None:
        return Finding("optional", "rviz2, only for rviz:=true", "a ROS 2 desktop installation")
    return Finding("ok", "rviz2")


#: Name of the line -> its check, called with the model and the robot that are to run.
CHECKS: Mapping[str, Callable[[str, str], Finding]] = {
    "python": _python,
    "build tools": _build_tools,
    "packages": _packages,
    "rclpy": _ros,
    "wam_msgs": _messages,
    "transport": _transport,
    "shared memory": _shared_memory,
    "rendering": _rendering,
    "gpu": _gpu,
    "real time": _real_time,
    "robot": _robot,
    "presets": _presets,
    "contract": _contract,
    "checkpoint": _checkpoint,
    "disk": _disk,
    "rviz": _rviz,
}
