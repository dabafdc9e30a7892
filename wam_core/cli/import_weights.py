"""Turn published weights into a folder of ours: wam import libero_uncond_2cam224.pt as:=fast_wam model:=fast_wam_libero
statistics:=libero_stats.json out:=weights/libero"""

import argparse
from pathlib import Path

import torch

from wam_core.errors import ContractError
from wam_core.presets import from_dict, load_preset, published_names
from wam_core.pretrained.folder import Published, published_spec, save_published
from wam_core.pretrained.importer import import_weights
from wam_core.pretrained.layouts import LAYOUTS
from wam_core.pretrained.statistics import read_statistics
from wam_core.robot.embodiment import load_embodiment

WAN = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    layouts = "; ".join(f"{name}: {layout.summary}" for name, layout in LAYOUTS.items())
    parser.add_argument("file", type=Path, help="the weights: a file, an index, or a folder with one of these")
    parser.add_argument("--as", dest="layout", required=True, help=layouts)
    parser.add_argument("--model", default="fast_wam_libero", help="preset that the weights are for")
    parser.add_argument("--statistics", type=Path, required=True, help="JSON of statistics published beside them")
    parser.add_argument("--vae", default="", help="the VAE's folder or name, instead of the preset's")
    parser.add_argument("--text", default=WAN, help="folder or name of the text encoder and its tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> int:
    """Check everything, then write; nothing is written when something does not fit."""
    preset = load_preset(arguments.model)
    if preset.published is None:
        raise ContractError("model", preset.name, f"one of {', '.join(published_names())}, or a file like these")
    if arguments.vae:
        raw = preset.to_dict()
        raw["substrates"]["video"]["weights"] = arguments.vae
        preset = from_dict(raw, preset.name)
    body = load_embodiment(preset.robot)
    imported = import_weights(arguments.file, arguments.layout, published_spec(preset, body))
    statistics = read_statistics(arguments.statistics, {"action": body.action.names, "state": body.proprioception})
    origin = {
        "file": arguments.file.name,
        "layout": arguments.layout,
        "text": arguments.text,
        "untrained": sorted(imported.untrained),
        "torch": torch.__version__,
    }
    weights = Published(preset, body, imported.state, statistics, origin)
    save_published(arguments.out, weights)
    total = sum(v.numel() for v in imported.state.values())
    print(f"{arguments.out}: {total:,} parameters in {len(imported.state)} tensors")
    if imported.untrained:
        print(f"not in such a file, to be trained: {len(imported.untrained)} parameters, {imported.untrained[0]} ...")
    return 0
