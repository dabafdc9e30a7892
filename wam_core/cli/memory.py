"""Memory that a published preset takes on a card, computed from its shapes: wam memory model:=fast_wam_libero"""

import argparse
import json
from dataclasses import asdict

from wam_core.errors import ContractError
from wam_core.presets import load_preset, published_names
from wam_core.pretrained.folder import published_spec
from wam_core.pretrained.memory import CARDS, fits, memory_of
from wam_core.robot.embodiment import load_embodiment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="", help="a published preset; all of them when left out")
    parser.add_argument("--int8", action="store_true", help="with the runtime int8, whose weights take a byte each")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """One row per preset, bfloat16 weights or int8, one chunk, the future not asked for."""
    rows = []
    for name in [arguments.model] if arguments.model else list(published_names()):
        preset = load_preset(name)
        if preset.published is None:
            raise ContractError("model", name, f"one of {', '.join(published_names())}")
        memory = memory_of(published_spec(preset, load_embodiment(preset.robot)), ("action",), int8=arguments.int8)
        rows.append({"preset": name, **asdict(memory), "cards": {c: fits(memory, c) for c in CARDS}})
        if not arguments.json:
            parts = "  ".join(f"{k} {v / 2**30:.2f}" for k, v in asdict(memory).items())
            print(f"{name}\n  GiB: {parts}")
            peaks = (memory.peak(text_on_card=False) / 2**30, memory.peak(text_on_card=True) / 2**30)
            print(f"  peak {peaks[0]:.1f} GiB with the text encoder on the CPU, {peaks[1]:.1f} with it on the card")
            print("  " + ", ".join(f"{card} GB: {fits(memory, card)}" for card in CARDS))
    if arguments.json:
        print(json.dumps(rows, indent=1))
    return 0
