"""Name what is missing on this machine and how to get it; exit code 0 when nothing that is needed is missing."""

import argparse
import json
from dataclasses import asdict

from wam_core.cli.checks import CHECKS, Finding

_MARKS = {"ok": "ok      ", "optional": "optional", "missing": "MISSING "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="fast_wam", help="preset or checkpoint folder that is to run")
    parser.add_argument("--robot", default="panda_cell", help="robot file that it is to run on")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Make every check; 1 when something needed is missing."""
    findings = []
    width = max(map(len, CHECKS))
    for name, check in CHECKS.items():
        finding = check(arguments.model, arguments.robot)
        findings.append({"check": name, **asdict(finding)})
        if not arguments.json:
            print(f"{_MARKS[finding.status]}  {name:<{width}}  {_line(finding)}", flush=True)
    if arguments.json:
        print(json.dumps(findings, indent=1))
    return int(any(f["status"] == "missing" for f in findings))


def _line(finding: Finding) -> str:
    return finding.detail + (f"; get it: {finding.remedy}" if finding.remedy else "")
