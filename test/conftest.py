"""Every test runs inside the checkout's environment and on a ROS domain of its own, however pytest was started."""

import os

import pytest

from wam_core.cli import environment

# Kilted checks the types of message fields only when asked to.
os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")
# Graphs of other people, or of a second test run on this machine, must not be heard. Ids above 101 collide with
# the port range of ordinary programs.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def pytest_configure(config: pytest.Config) -> None:
    if environment.missing():
        # pytest has already redirected the standard streams; a restarted pytest needs the real ones.
        config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
        environment.enter()
