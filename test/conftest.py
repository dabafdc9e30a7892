"""Every test runs inside the checkout's environment and on a ROS domain of its own, however pytest was started."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from wam_core.cli import environment

# Kilted checks the types of message fields only when asked to.
os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")
# Graphs of other people, or of a second test run on this machine, must not be heard. Ids above 101 collide with
# the port range of ordinary programs; those from 51 on are live_graph.py's.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 50))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def pytest_configure(config: pytest.Config) -> None:
    # Whoever starts tests in the background of a script hands down an ignored Ctrl-C, and so would they to what they
    # start and interrupt: the arm would go on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if environment.missing():
        # pytest has already redirected the standard streams; a restarted pytest needs the real ones.
        config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
        environment.enter()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of modules that use the ROS side are ``live``: beside others on the same cores, the arm would be late."""
    for item in items:
        used = {str(getattr(v, "__module__", None) or getattr(v, "__name__", "")) for v in vars(item.module).values()}  # type: ignore[attr-defined]
        if any(name.split(".")[0] in ("wam_ros", "live_graph", "rclpy") for name in used):
            item.add_marker("live")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    """A failure with running nodes shows what they said: in CI nobody can look again."""
    report = yield
    live = getattr(item, "funcargs", {}).get("live")
    if report.failed and live is not None:
        report.sections.append(("running nodes", live.account()))
    return report
