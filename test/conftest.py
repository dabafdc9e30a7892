"""Every test runs inside the checkout's environment, however pytest was started."""

import os

import pytest

from wam_core.cli import environment

# Kilted checks the types of message fields only when asked to.
os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")


def pytest_configure(config: pytest.Config) -> None:
    if environment.missing():
        # pytest has already redirected the standard streams; a restarted pytest needs the real ones.
        config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
        environment.enter()
