#!/bin/bash
# Set the checkout up: .venv, torch, packages, ROS 2 (wheels, unless a ROS is sourced), wam_msgs, wam itself.
# Each step leaves a stamp named by a hash of its inputs, only after it succeeded and inside .venv, so a second run
# takes seconds, an interrupted one goes on where it stopped, and a deleted .venv is simply built again.
#   PYTHON=python3.12 make setup   chooses the interpreter (3.11 to 3.13; with ROS sourced: the one ROS uses)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$PWD"
torch_version=2.13.0
mkdir -p .setup
log="$root/.setup/setup.log"
exec 9>.setup/lock
flock 9  # two set-ups of one checkout take turns
started=$SECONDS

say() { printf '[setup %3ds] %s\n' $((SECONDS - started)) "$*"; }
fail() { printf '[setup] FAILED: %s\n' "$*" >&2; exit 1; }

# Run a command into the log, showing the lines that tell progress; on failure show the end of the log.
logged() {
  : >"$log"
  if ! "$@" 9>&- 2>&1 </dev/null | tee -a "$log" | awk '
      /^ *(Collecting|Downloading|Building|Starting >>>|Finished <<<)/ { sub(/ *\(from.*/, ""); print "    " $0; fflush() }
      /^ *Installing collected/ { print "    Installing ..."; fflush() }'; then
    tail -n 25 "$log" >&2
    return 1
  fi
}

hash_of() { sha256sum | cut -c1-16; }
done_before() { [ -e ".venv/.wam/$1.$2" ]; }
# Each call enters anew: what env.sh finds grows as the set-up goes on.
entered() { (unset WAM_ENV && source scripts/env.sh && "$@"); }
stamp() { mkdir -p .venv/.wam && rm -f .venv/.wam/"$1".* && : >".venv/.wam/$1.$2"; }

# ---- what the machine must have -----------------------------------------------------------------------------------
ros="${ROS_DISTRO:-}"
[ -n "${AMENT_PREFIX_PATH:-}" ] || ros=""
python=""
for candidate in ${PYTHON:-} python3 python3.12 python3.13 python3.11; do
  # -I -S: look at the interpreter only, not at packages of a sourced environment.
  "$candidate" -I -S -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue
  base="$("$candidate" -I -S -c 'import sys; print(sys._base_executable)')"
  # The client library of a sourced ROS is compiled for one interpreter.
  [ -z "$ros" ] || "$base" -c 'import rclpy' 2>/dev/null || continue
  python="$base"
  break
done
if [ -z "$python" ]; then
  [ -z "$ros" ] || fail "ROS $ros is sourced, but no CPython 3.11 to 3.13 imports its rclpy; PYTHON=... names the right one"
  fail "no CPython 3.11 to 3.13 found; Debian/Ubuntu: sudo apt install python3 python3-venv python3-dev"
fi
missing=""
for tool in g++ cmake make; do command -v $tool >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || fail "missing:$missing; Debian/Ubuntu: sudo apt install g++ cmake make"
"$python" -I -c 'import sysconfig, pathlib, sys
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())' ||
  fail "$python has no headers (Python.h); Debian/Ubuntu: sudo apt install python3-dev"

# ---- the virtual environment --------------------------------------------------------------------------------------
# The root is part of the key: a virtual environment does not survive being moved or copied.
venv_key="$(echo "$root|$("$python" -I -S -c 'import sys; print(sys.version)')|$ros" | hash_of)"
make_venv() {
  say "virtual environment .venv ($("$python" -I -S -c 'import platform; print(platform.python_version())')${ros:+, on top of ROS $ros})"
  rm -rf .venv
  logged "$python" -m venv ${ros:+--system-site-packages} .venv ||
    fail "could not create .venv; Debian/Ubuntu: sudo apt install python3-venv"
  stamp venv "$venv_key"
}
done_before venv "$venv_key" && .venv/bin/python -I -c 'import pip' 2>/dev/null || make_venv

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
pip() { logged entered python -m pip install --progress-bar off "$@"; }

# ---- packages -----------------------------------------------------------------------------------------------------
files="requirements.txt requirements-dev.txt requirements-published.txt requirements-view.txt"
[ -n "$ros" ] || files="$files requirements-ros.txt"
package_key="$(cat $files requirements-lock.txt <(echo "$venv_key $torch_version") | hash_of)"
install_packages() {
  # PyPI's Linux build of torch brings several GB of CUDA; without an NVIDIA driver the CPU build is preferred. Only
  # torch itself is looked for there: what it depends on is on PyPI, and the other index may be out of reach.
  if command -v nvidia-smi >/dev/null; then index=""; else index="--extra-index-url https://download.pytorch.org/whl/cpu"; fi
  say "torch $torch_version${index:+ (the CPU build where it can be had)}"
  pip --no-deps --retries 1 $index "torch==$torch_version" || fail "pip could not install torch; run make setup again to resume"
  say "packages ($files)"
  pip -c requirements-lock.txt $(printf -- '-r %s ' $files) || fail "pip could not install the packages; run make setup again to resume"
  stamp packages "$package_key"
}
works() {
  entered python -c 'import torch, numpy, mujoco, pinocchio, pink, cv2, mcap, rosbags, rclpy, sensor_msgs.msg, pytest, diffusers, transformers' \
    >"$log" 2>&1
}
done_before packages "$package_key" || install_packages
if ! works; then
  say "the packages in .venv do not import ($(tail -n 1 "$log")): building it again"
  make_venv
  install_packages
  works || { cat "$log" >&2; fail "the packages do not import"; }
fi

# ---- wam_msgs, by colcon ------------------------------------------------------------------------------------------
message_key="$( (echo "$package_key"; find wam_msgs -type f | LC_ALL=C sort | xargs sha256sum) | hash_of)"
build_messages() {
  logged entered colcon build --packages-select wam_msgs --event-handlers console_direct+ --cmake-args -DBUILD_TESTING=OFF
}
# The folder wam_msgs beside this one imports as an empty package: only its contents prove anything.
messages_work() {
  entered python -c 'from wam_msgs.msg import ActionChunk; from wam_msgs.action import RunTask; ActionChunk.__class__.__import_type_support__()' >>"$log" 2>&1
}
if ! done_before messages "$message_key" || ! messages_work; then
  say "wam_msgs (colcon)"
  # A build folder of another place or toolchain makes CMake refuse; one clean retry tells that from a real error.
  build_messages 2>/dev/null || { rm -rf build/wam_msgs install/wam_msgs; build_messages; } || fail "colcon could not build wam_msgs"
  messages_work || { tail -n 25 "$log" >&2; fail "wam_msgs was built but does not import"; }
  stamp messages "$message_key"
fi

# ---- wam itself ---------------------------------------------------------------------------------------------------
wam_key="$(cat setup.py setup.cfg <(echo "$package_key") | hash_of)"
if ! done_before wam "$wam_key" || [ ! -x .venv/bin/wam ]; then
  say "wam (editable)"
  pip --no-deps --no-build-isolation -e . || fail "pip could not install wam"
  stamp wam "$wam_key"
fi

renderer="$(entered python -c 'from wam_core.cell.rendering import choose_renderer; print(choose_renderer("auto"))')"
say "ready; camera images are rendered by $renderer"
[ "$renderer" != raycast ] || say "  (no OpenGL: slower and plainer; Debian/Ubuntu: sudo apt install libegl1 libgl1-mesa-dri)"
