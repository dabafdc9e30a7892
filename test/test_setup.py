"""The set-up: what colcon sees, what is pinned, the environment script, and a build from a clean tree."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENV = ROOT / "scripts" / "env.sh"


def clean_tree(target: Path) -> Path:
    """A copy of the sources without anything that was built or recorded."""
    made = (".venv", ".git", ".setup", "build", "install", "log", "runs", "*.egg-info", "__pycache__", ".*_cache")
    ignored = shutil.ignore_patterns(*made)

    def skip(folder: str, names: list[str]) -> set[str]:
        # Only the top folder of recordings: the core has a package of that name.
        return ignored(folder, names) | ({"data"} if Path(folder) == ROOT else set())

    return Path(shutil.copytree(ROOT, target, ignore=skip))


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def sourced(command: str, **environment: str) -> list[str]:
    """Lines printed by ``command`` in a bare shell that has sourced env.sh."""
    bare = {"PATH": "/usr/bin:/bin"} | environment
    run = subprocess.run(["bash", "-uec", f"source {ENV}; {command}"], env=bare, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_colcon_sees_both_packages() -> None:
    """An invalid package.xml silently turns an ament package into a plain Python one, which ROS does not find."""
    run = subprocess.run(["colcon", "list"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["wam\t.\t(ros.ament_python)", "wam_msgs\twam_msgs\t(ros.ament_cmake)"]


def test_the_interfaces_a_node_imports_are_declared() -> None:
    """rosdep installed nothing for an import that package.xml did not name, and the node died on a clean robot."""
    sources = "\n".join(file.read_text() for file in (ROOT / "wam_ros").rglob("*.py"))
    imported = set(re.findall(r"^from (?!rclpy)(\w+)\.(?:msg|srv|action) import", sources, re.MULTILINE))
    declared = set(re.findall(r"<exec_depend>(\w*(?:_msgs|_interfaces|_srvs))<", (ROOT / "package.xml").read_text()))
    assert imported == declared


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_colcon_builds_a_clean_tree_twice(tmp_path: Path) -> None:
    """A build that only works in the author's tree: a missing data file, or an install/ folder taken for a package."""
    tree = clean_tree(tmp_path / "wam")
    for _ in range(2):
        run = subprocess.run(["colcon", "build"], cwd=tree, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert "2 packages finished" in run.stdout
    prefix = tree / "install" / "wam"
    for folder in ("config", "launch", "urdf"):
        assert files(prefix / "share" / "wam" / folder) == files(tree / folder)
    names = {p.name for p in (prefix / "lib" / "wam").iterdir()}
    assert {"wam", "wam_cell", "wam_executor", "wam_inference", "wam_futures", "wam_recorder"} <= names
    where = 'import wam_core.paths as p; print(p.__file__, p.share_path("config/robots"))'
    script = f"source {tree}/install/setup.bash; cd /; python -c 'from wam_msgs.msg import ActionChunk; {where}'"
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert run.stdout.count(str(prefix)) == 2, run.stdout + run.stderr


def test_every_requirement_is_exact() -> None:
    """A package that moved on under a fresh clone breaks a set-up that worked yesterday."""
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            said = line == "" or line.startswith("#")
            assert said or re.match(r"^[\w.-]+(\[\w+\])?==[\w.]+$", line), f"{path.name}: {line}"


def test_the_core_never_imports_ros() -> None:
    """One import of rclpy in the core, and training needs a ROS installation."""
    ros = re.compile(r"^(rclpy|launch\w*|ament_\w+|builtin_interfaces|\w+_msgs|rcl_interfaces|wam_ros)(\.|$)")
    for path in (ROOT / "wam_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if ros.match(name)], f"{path.relative_to(ROOT)} imports {names}"


def test_the_environment_needs_no_home_and_enters_once() -> None:
    """Continuous integration has no HOME: rclpy and pip then fail where a user's machine works."""
    home, log, profile = sourced('echo "$HOME"; echo "$ROS_LOG_DIR"; echo "$FASTDDS_DEFAULT_PROFILES_FILE"')
    assert Path(home).is_dir() and os.access(home, os.W_OK)
    assert log.startswith(str(ROOT)) and Path(profile).is_file()
    show = 'echo "$PATH|$LD_LIBRARY_PATH|$PYTHONPATH"'
    once, twice = sourced(f"{show}; source {ENV}; {show}")
    assert once == twice


def test_the_environment_keeps_what_was_chosen() -> None:
    """A user's own transport profile or log folder overwritten behind his back."""
    chosen = {"HOME": "/tmp", "ROS_LOG_DIR": "/tmp/logs", "FASTDDS_DEFAULT_PROFILES_FILE": "/tmp/mine.xml"}
    assert sourced('echo "$HOME"; echo "$ROS_LOG_DIR"; echo "$FASTDDS_DEFAULT_PROFILES_FILE"', **chosen) == [
        "/tmp", "/tmp/logs", "/tmp/mine.xml",
    ]  # fmt: skip


def test_the_environment_adds_to_a_sourced_ros() -> None:
    """With ROS sourced the wheels' prefix must not take its place: two client libraries in one process crash."""
    ros = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy", "LD_LIBRARY_PATH": "/opt/ros/jazzy/lib"}
    prefixes, libraries, bootstrap = sourced(
        'echo "$AMENT_PREFIX_PATH"; echo "$LD_LIBRARY_PATH"; echo "${_ROS_WHEELS_BOOTSTRAP_COMPLETE:-}"', **ros
    )
    assert prefixes == f"{ROOT}/install/wam_msgs:/opt/ros/jazzy"
    assert libraries == f"{ROOT}/install/wam_msgs/lib:/opt/ros/jazzy/lib"
    assert bootstrap == ""


def test_the_command_enters_the_environment_by_itself() -> None:
    """`wam` from a bare shell failing to find wam_msgs."""
    enter = "from wam_core.cli import environment; environment.enter()"
    code = f"{enter}; from wam_msgs.msg import ActionChunk; print('entered')"
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}
    run = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True)
    assert run.stdout == "entered\n", run.stderr


def test_continuous_integration_runs_the_documented_command() -> None:
    """A CI that tests something else than what users are told to run."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test </dev/null" in script.read_text()
