# Source this (bash) to use the checkout:  source scripts/env.sh
# The Makefile, the `wam` command and pytest enter it by themselves. With ROS sourced it adds to that ROS; without,
# it points at the ROS 2 wheels in .venv.

WAM_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if [ "${WAM_ENV:-}" != "$WAM_ROOT" ]; then
  # Caches and logs need a home even where there is none (CI, containers).
  if [ ! -d "${HOME:-}" ] || [ ! -w "${HOME:-}" ]; then
    export HOME="$WAM_ROOT/.setup/home"
    mkdir -p "$HOME"
  fi

  export VIRTUAL_ENV="$WAM_ROOT/.venv"
  export PATH="$VIRTUAL_ENV/bin:$PATH"
  wam_overlay="$WAM_ROOT/install/wam_msgs"

  if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]; then
    export AMENT_PREFIX_PATH="$wam_overlay:$AMENT_PREFIX_PATH"
  else
    export AMENT_PREFIX_PATH="$wam_overlay:$VIRTUAL_ENV"
    export CMAKE_PREFIX_PATH="$VIRTUAL_ENV"
    # The wheels would restart Python to set this; done here, every process starts once.
    wam_libraries="$VIRTUAL_ENV/lib"
    for wam_folder in "$VIRTUAL_ENV"/lib/python3.*/site-packages/ros_*.libs; do
      [ ! -d "$wam_folder" ] || wam_libraries="$wam_libraries:$wam_folder"
    done
    export LD_LIBRARY_PATH="$wam_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  fi
  export LD_LIBRARY_PATH="$wam_overlay/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  # Debian's Python installs to local/lib/.../dist-packages.
  for wam_folder in "$wam_overlay"/{,local/}lib/python3*/{site,dist}-packages; do
    [ ! -d "$wam_folder" ] || export PYTHONPATH="$wam_folder${PYTHONPATH:+:$PYTHONPATH}"
  done

  # Camera images do not fit the default shared-memory segment.
  export FASTDDS_DEFAULT_PROFILES_FILE="${FASTDDS_DEFAULT_PROFILES_FILE:-$WAM_ROOT/config/fastdds.xml}"
  export ROS_LOG_DIR="${ROS_LOG_DIR:-$WAM_ROOT/log/ros}"
  export RCUTILS_COLORIZED_OUTPUT="${RCUTILS_COLORIZED_OUTPUT:-0}"
  export PYTHONUNBUFFERED=1
  # Before wam_msgs is built the next entry has more to add.
  [ ! -d "$wam_overlay" ] || export WAM_ENV="$WAM_ROOT"
  unset wam_overlay wam_libraries wam_folder
fi
