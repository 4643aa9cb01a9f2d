"""Makes Ctrl-C work in every test, and lets tests run beside other runs on this machine."""

import os
import signal
import tempfile
from pathlib import Path

from autotune.environment import _machine_lock

# A shell starts what it puts into the background with the interrupt ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Runs in this process take a lock of its own; those that tests start in others say --share-machine.
_machine_lock.PLACE = Path(tempfile.gettempdir()) / f"autotune-machine-{os.getpid()}.lock"
