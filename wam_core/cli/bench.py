"""Benchmarks: ratios measured side by side, what the executor does with chunks that mean harm, what surprises."""

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from wam_core.cli.bench_curve import CURVE
from wam_core.cli.bench_executor import RETARGET, SAFETY, SEAM_MODES, TICK
from wam_core.cli.bench_pipeline import PIPELINE
from wam_core.cli.bench_real import REAL
from wam_core.cli.benchmark import Benchmark
from wam_core.errors import ContractError, look_up
from wam_core.presets import preset_names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="+", choices=tuple(BENCHMARKS), help="what to measure, in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    for name, benchmark in BENCHMARKS.items():
        benchmark.add_arguments(parser.add_argument_group(name))


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmarks; the greatest of their exit codes."""
    return max([look_up(BENCHMARKS, name, "benchmark").run(arguments) for name in arguments.what])


def _latency_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--presets", default=",".join(preset_names()), help="in turn; all by default")
    ways = (
        "in turn, the first is the reference: a runtime, naive (the full forward), published (Fast-WAM's code), "
        "reused (joint models: the future in every second step only)"
    )
    group.add_argument("--ways", default="eager,naive,published", help=ways)
    group.add_argument("--rounds", type=int, default=30)
    continuing = "time chunks that go on from one in progress, as real-time chunking has them"
    group.add_argument("--continuing", action="store_true", help=continuing)
    group.add_argument("--threads", type=int, default=1)


def _latency(arguments: argparse.Namespace) -> int:
    import torch

    from wam_core.evaluation.latency import measure

    torch.set_num_threads(arguments.threads)
    presets, ways = arguments.presets.split(","), arguments.ways.split(",")
    rows, missing = measure(presets, ways, arguments.rounds, arguments.seed, arguments.continuing)
    machine = f"{platform.machine()}, {arguments.threads} thread(s), torch {torch.__version__}"
    if arguments.json:
        report = {"machine": machine, "rounds": arguments.rounds, "rows": [asdict(r) for r in rows], "missing": missing}
        print(json.dumps(report, indent=1))
        return 0
    print(f"{machine}, {arguments.rounds} paired rounds; times longer than the first way, and than the first preset")
    for row in rows:
        low, high = row.ratio_interval
        times = f"{row.median_ms:8.1f} ms median {row.p95_ms:8.1f} ms p95"
        ratios = f"x{row.ratio:.2f} [{low:.2f}, {high:.2f}]   x{row.to_first:.2f}"
        print(f"{row.preset:<22} {row.way:<10} {times}   {ratios}")
    for name, reason in missing.items():
        print(f"{name:<22} not measured: {reason}")
    return 0


def _surprise_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", default="fast_wam", help="preset with a checkpoint, or a checkpoint folder")
    group.add_argument("--robot", default="panda_cell")
    group.add_argument("--tasks", default="reach,push,drawer", help="in turn")
    group.add_argument("--episodes", type=int, default=20, help="per task, with and without the unseen hand")
    learned = "first learn what is usual in so many undisturbed episodes a task, and keep it in the checkpoint's folder"
    group.add_argument("--learn", type=int, default=0, help=learned)
    group.add_argument("--renderer", default="auto")
    group.add_argument("--out", type=Path, help="picture.png of surprise over time")
    group.add_argument("--overlay", type=Path, help="picture.png of where the first seed surprises")


def _surprise(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.surprise import load_usual, save_usual
    from wam_core.evaluation.surprise_figure import save_overlays, save_surprise_figure
    from wam_core.evaluation.unseen_hand import HANDS, before_the_hand, compare, rehearse, summary
    from wam_core.policy import checkpoint_folder
    from wam_core.provenance import checkpoint_digest

    tasks = arguments.tasks.split(",")
    for task in tasks:
        look_up(HANDS, task, "tasks")
    folder = checkpoint_folder(arguments.model)
    if arguments.learn:
        usual = rehearse(arguments.model, arguments.robot, tasks, arguments.learn, arguments.renderer)
        save_usual(folder, usual)
    else:
        known = load_usual(folder, checkpoint_digest(folder))
        if known is None:
            raise ContractError("usual", str(folder), "a checkpoint of which it was learned what is usual: learn:=20")
        usual = known
    seeds = range(arguments.seed, arguments.seed + arguments.episodes)
    pairs = {t: compare(arguments.model, arguments.robot, t, seeds, arguments.renderer, usual) for t in tasks}
    rows = [summary(task, found, arguments.seed) for task, found in pairs.items()]
    if arguments.out:
        save_surprise_figure(arguments.out, pairs, arguments.seed)
    if arguments.overlay:
        first = (arguments.seed, arguments.renderer, usual)
        shown = {task: before_the_hand(arguments.model, arguments.robot, task, *first) for task in tasks}
        save_overlays(arguments.overlay, shown)
    if arguments.json:
        courses = {task: [[asdict(course) for course in pair] for pair in found] for task, found in pairs.items()}
        report = {"usual": asdict(usual), "seeds": [seeds.start, seeds.stop], "rows": [asdict(row) for row in rows]}
        print(json.dumps({**report, "courses": courses}, indent=1))
        return 0
    print(
        f"{arguments.model}: surprise with an object moved by an unseen hand, by surprise without, {len(seeds)} seeds"
    )
    for row in rows:
        (low, high), (apart_low, apart_high) = row.ratio_interval, row.apart_interval
        ratio = f"x{row.ratio:.1f} [{low:.1f}, {high:.1f}]"
        apart = (
            f"told apart {row.apart:.2f} [{apart_low:.2f}, {apart_high:.2f}], of whole episodes {row.apart_whole:.2f}"
        )
        noticed = f"noticed {row.noticed}/{row.episodes}, false alarms {row.false_alarms}/{row.episodes}"
        print(f"{row.task:<12} {ratio:<20} {apart}   {noticed}")
    return 0


def _preprocess_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--encodings", default="bgr8,yuv422,bayer_rggb8", help="of the images, in turn")
    group.add_argument("--image", default="480x640", help="height and width of an image")
    group.add_argument("--tile", default="224x224", help="of its place in the model's picture")
    group.add_argument("--views", type=int, default=3, help="cameras")
    group.add_argument("--repeats", type=int, default=200)
    lens = "distortion model of the cameras' lenses, whose pictures are undistorted; none by default"
    group.add_argument("--distortion", default="", help=lens)


def _size(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def _preprocess(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.preprocess_time import measure

    image, tile = _size(arguments.image), _size(arguments.tile)
    found = {
        name: measure(name, image, arguments.views, tile, arguments.repeats, arguments.seed, arguments.distortion)
        for name in arguments.encodings.split(",")
    }
    if arguments.json:
        print(json.dumps({name: asdict(row) for name, row in found.items()}, indent=1))
        return 0
    straight = f", undistorted ({arguments.distortion})" if arguments.distortion else ""
    cameras = f"{arguments.views} cameras {arguments.image} -> {arguments.tile} each{straight}"
    print(f"{cameras}, medians of {arguments.repeats} paired rounds")
    for name, row in found.items():
        line = f"{name:<14} {row.device}: OpenCV and torch {row.reference:7.3f} ms"
        if row.interval is None:
            print(f"{line}   fused kernel not measured: {row.missing}")
            continue
        ratio = f"x{row.ratio:.1f} [{row.interval[0]:.1f}, {row.interval[1]:.1f}]"
        print(f"{line}   fused {row.fused:.3f} ms   {ratio}   {row.difference:.1f} of 255 apart")
    return 0


def _recovery_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--recoveries", default="", help="in turn, separated by commas; all by default")
    group.add_argument("--recovered-tasks", default="reach,push,drawer,pick_place", help="in turn")
    group.add_argument("--recovered-episodes", type=int, default=10, help="of each task's expert")


def _recovery(arguments: argparse.Namespace) -> int:
    from wam_core.evaluation.recoveries import measure, readings
    from wam_core.robot.robot_file import load_robot

    names = arguments.recoveries.split(",") if arguments.recoveries else list(readings())
    tasks = arguments.recovered_tasks.split(",")
    seeds = range(arguments.seed, arguments.seed + arguments.recovered_episodes)
    rows = measure(load_robot(arguments.robot), names, tasks, seeds, arguments.renderer)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    print("what is recovered from the true future against where the tool went, at the end of a chunk; medians, 95 %")
    for row in rows:
        miss = f"{row.miss:5.1f} mm [{row.miss_interval[0]:.1f}, {row.miss_interval[1]:.1f}]"
        turn = f"{row.turn:4.1f} degrees [{row.turn_interval[0]:.1f}, {row.turn_interval[1]:.1f}]"
        print(
            f"{row.recovery:<22} {row.task:<11} {miss} of {row.moved:.0f}, {row.half_way:.1f} half-way, "
            f"nine in ten below {row.worst:.0f}   {turn}   trust {row.trust:.2f}   {row.futures} futures"
        )
    return 0


BENCHMARKS: Mapping[str, Benchmark] = {
    "recovery": Benchmark(_recovery_arguments, _recovery),
    "surprise": Benchmark(_surprise_arguments, _surprise),
    "latency": Benchmark(_latency_arguments, _latency),
    "curve": CURVE,
    "pipeline": PIPELINE,
    "preprocess": Benchmark(_preprocess_arguments, _preprocess),
    "real": REAL,
    "safety": SAFETY,
    "tick": TICK,
    "seams": SEAM_MODES,
    "retarget": RETARGET,
}
