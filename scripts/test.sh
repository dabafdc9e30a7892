#!/bin/bash
# All tests, or with FAST=1 the fast ones: those without running nodes on all cores, then those with them one at a time,
# because they are timed. What is given goes to pytest.
set -uo pipefail
export OMP_NUM_THREADS=1
chosen="${FAST:+not slow and }"
status=0
# Exit code 5: none of those asked for is in this part.
python -m pytest -n auto --dist loadfile -m "${chosen}not live" "$@" || status=$?
((status == 5)) && status=0
python -m pytest -m "${chosen}live" "$@" || ((status = $? == 5 ? status : $?))
exit $status
