"""Makes signals work in every test, and lets tests run in any shell, beside other runs on this machine."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from autotune.environment import _machine_lock

# A shell starts what it puts into the background with interrupts ignored, nohup with hangups; children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# An option that the caller's shell has set would be an option of every run here. What tests read is called TEST_*.
for _name in [name for name in os.environ if name.startswith("AUTOTUNE_")]:
    del os.environ[_name]

# Runs in this process take a lock of its own; those that tests start in others say --share-machine.
_machine_lock.PLACE = Path(tempfile.gettempdir()) / f"autotune-machine-{os.getpid()}.lock"

_TESTS = Path(__file__).parent
_MEASURING = ("cluster", "examples", "integration")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook, and would do so before
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For `pytest -n 2 --dist loadgroup`: what measures runs one after the other, the rest beside it by file."""
    for item in items:
        file = item.path.relative_to(_TESTS)
        item.add_marker(pytest.mark.xdist_group("servers" if file.parts[0] in _MEASURING else str(file)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """With pytest 9.2, xdist 3.8 sends tests anywhere, whatever their group: servers would disturb each other."""
    grouped = session.config.getoption("loadgroup", default=False)
    if grouped and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist ignores the groups of tests; install the pinned pytest")
