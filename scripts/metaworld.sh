#!/bin/bash
# An environment of its own for Meta-World, whose MuJoCo is another than ours: .venvs/metaworld, for `wam benchmark metaworld`.
#   PYTHON=python3.12 scripts/metaworld.sh   chooses the interpreter (3.10 to 3.13)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
python="${PYTHON:-$(.venv/bin/python -c 'import sys; print(sys._base_executable)')}"
[ -x .venvs/metaworld/bin/pip ] || "$python" -m venv .venvs/metaworld
.venvs/metaworld/bin/pip install --disable-pip-version-check --quiet -r requirements-metaworld.txt
.venvs/metaworld/bin/python -W ignore -c 'import metaworld; print("Meta-World is ready:", len(metaworld.ALL_V3_ENVIRONMENTS), "tasks")'
