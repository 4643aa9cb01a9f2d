"""The directory of a study on a worker's host: locked while a process of the study lives there."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "autotune-worker-"
_LOCK = ".in-use"
_NEW_S = 60.0  # guess: a process that creates one locks it within milliseconds
_held: dict[Path, int] = {}


def directory_of(job: str) -> Path:
    """The directory of a study on this host."""
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{job}"


def hold(directory: Path) -> None:
    """Creates the directory and keeps it as long as this process lives; removes those that nobody holds."""
    for each in abandoned_directories():
        shutil.rmtree(each, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory not in _held:
        _held[directory] = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(_held[directory], fcntl.LOCK_SH)


def remove(directory: Path) -> None:
    """Removes the directory of a study that has ended."""
    if (descriptor := _held.pop(directory, None)) is not None:
        os.close(descriptor)
    shutil.rmtree(directory, ignore_errors=True)


def abandoned_directories() -> Iterator[Path]:
    """The directories of studies of this user whose processes on this host have all ended."""
    for each in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        try:
            if each.stat().st_uid != os.getuid() or time.time() - each.stat().st_mtime < _NEW_S:
                continue
            descriptor = os.open(each / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # removed meanwhile
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
        yield each
