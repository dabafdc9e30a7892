"""`wam bench curve`: success against latency, for points of a model's dial."""

import argparse
import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from wam_core.cli.benchmark import Benchmark
from wam_core.curve import Curve, load_curve, save_curve
from wam_core.dial import dials


def _arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--denoising-steps", default="1,2,3,5,8", help="in turn; 0: as the preset says")
    group.add_argument("--imagined-horizon", default="0", help="chunk steps that futures reach, in turn; 0: all")
    group.add_argument("--cache-reuse", default="1", help="denoising steps to a pass beside the chunk, in turn")
    group.add_argument("--delay-ms", type=int, default=100, help="inference delay that all episodes imitate")
    group.add_argument("--curve", type=Path, help="curve.json to write, which wam_inference holds a budget by")
    group.add_argument("--measured", type=Path, help="draw this curve.json instead of measuring one")
    group.add_argument("--plot", type=Path, help="picture.png of it")


def _run(arguments: argparse.Namespace) -> int:
    curve = load_curve(arguments.measured) if arguments.measured else _measure(arguments)
    if arguments.curve:
        save_curve(arguments.curve, curve)
    if arguments.plot:
        from wam_core.evaluation.curve_figure import save_curve_figure

        save_curve_figure(arguments.plot, curve)
    print(json.dumps(asdict(curve), indent=1) if arguments.json else _table(curve))
    return 0


def _measure(arguments: argparse.Namespace) -> Curve:
    import torch

    from wam_core.evaluation.curve_study import Plan, measure
    from wam_core.evaluation.rollout import EpisodeResult

    turned = (arguments.denoising_steps, arguments.imagined_horizon, arguments.cache_reuse)
    plan = Plan(
        model=arguments.model,
        robot=arguments.robot,
        dials=tuple(dials(*(tuple(map(int, values.split(","))) for values in turned))),
        tasks=tuple(arguments.tasks.split(",")),
        seeds=range(arguments.seed, arguments.seed + arguments.episodes),
        rounds=arguments.rounds,
        threads=arguments.threads,
        delay_ms=arguments.delay_ms,
        runtime=arguments.runtime,
        renderer=arguments.renderer,
    )
    machine = f"{platform.machine()}, torch {torch.__version__}"
    with tqdm(total=(len(plan.dials) + 1) * len(plan.tasks) * len(plan.seeds), unit="episode") as bar:

        def report(result: EpisodeResult) -> None:
            bar.update()

        return measure(plan, arguments.jobs, datetime.now(UTC).date().isoformat(), machine, report)


def _table(curve: Curve) -> str:
    lines = [f"{curve.model} {curve.digest[:12]}, {', '.join(f'{k} {v}' for k, v in curve.measured.items())}"]
    for point in curve.points:
        (low, high), (least, most) = point.interval, point.ratio_interval
        cost = f"{point.median_ms:8.1f} ms median {point.p95_ms:8.1f} ms p95"
        ratio = f"x{point.ratio:.2f} [{least:.2f}, {most:.2f}]"
        lines.append(f"{point.success:6.1%} [{low:.1%}, {high:.1%}]   {cost}   {ratio}   {point.dial}")
    frozen, (low, high) = curve.frozen
    lines.append(f"{frozen:6.1%} [{low:.1%}, {high:.1%}]   cameras frozen to the first training frame")
    return "\n".join(lines)


CURVE = Benchmark(_arguments, _run)
