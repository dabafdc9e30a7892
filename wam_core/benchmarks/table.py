"""The benchmarks that are known, and how each one's server is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wam_core.benchmarks.simulator import Simulator
from wam_core.errors import ContractError, look_up
from wam_core.robot.embodiment import load_embodiment

#: The folder that servers are started in: their package is found there, and nothing else of ours.
FOLDER = Path(__file__).resolve().parent
#: Where a benchmark's environment is looked for, where none is named.
ENVIRONMENTS = FOLDER.parents[1] / ".venvs"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark; its name is that of its embodiment, too.

    Attributes:
        module: the server's, below :data:`FOLDER`. install: the one thing to do where it is not installed.
        tasks: those that are used where none are named.
        limit: steps of an episode at most; the simulator's own limit holds as well.
        noise: standard deviation of what demonstrations add to each column of an expert's action; empty where the
            benchmark has no expert.
    """

    module: str
    install: str
    tasks: tuple[str, ...]
    limit: int
    noise: tuple[float, ...] = ()


BENCHMARKS: Mapping[str, Benchmark] = {
    "metaworld": Benchmark(
        "server.metaworld",
        "run scripts/metaworld.sh",
        tasks=(
            "reach-v3",
            "push-v3",
            "drawer-open-v3",
            "door-open-v3",
            "button-press-topdown-v3",
            "window-open-v3",
        ),
        limit=500,
        noise=(0.3, 0.3, 0.3, 0.0),
    ),
    "libero": Benchmark(
        "server.libero",
        "install LIBERO with its assets as its authors say",
        tasks=("libero_spatial/pick_up_the_black_bowl_between_the_plate_and_the_ramekin_and_place_it_on_the_plate",),
        limit=1000,
    ),
    "robotwin": Benchmark(
        "server.robotwin",
        "install RoboTwin 2.0 as its authors say, set ROBOTWIN to its folder",
        tasks=("demo_clean/beat_block_hammer",),
        limit=1000,
    ),
}


def start(name: str, python: Path | None = None) -> Simulator:
    """Start a benchmark's server.

    Args:
        python: the interpreter that has its simulator; where none is named, that of the environment in
            :data:`ENVIRONMENTS`.

    Raises:
        ContractError: an unknown benchmark, no such interpreter, or one without the simulator; says how to get it.
    """
    benchmark = look_up(BENCHMARKS, name, "benchmark")
    interpreter = python or ENVIRONMENTS / name / "bin" / "python"
    if not interpreter.is_file():
        expected = f"a Python that has it: {benchmark.install}, or name one (python:=...)"
        raise ContractError(f"benchmark.{name}.python", str(interpreter), expected)
    # Not resolved: a virtual environment is known by the path of its interpreter.
    command = (str(interpreter.absolute()), "-m", benchmark.module)
    return Simulator(name, command, FOLDER, load_embodiment(name))
