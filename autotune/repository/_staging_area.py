"""Where a run stages its repositories: a directory that is held by a lock, so that others see whether the run lives.

The kernel lets go of the lock when the run ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from autotune.repository._config_set import ConfigSet
from autotune.repository._spec import ModelSpec
from autotune.repository._stage import stage

_PREFIX = ".staged-"
_LOCK = "lock"
_CREATION_S = 60  # a directory without a lock may be one that is being created


class StagingArea:
    """A directory for staged repositories, removed when it is closed or this process ends in order.

    Args:
        beside: The directory it is created in; best on the filesystem of the models.
        read_only: Whether servers cannot write to what is staged, see `stage`.
    """

    def __init__(self, beside: Path, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self._directory, lock = _create(beside)
        self._originals = self._directory / "originals"
        self._originals.mkdir()
        self._finalizer = weakref.finalize(self, _remove, self._directory, lock)

    @contextmanager
    def staged(self, models: Sequence[ModelSpec], configs: ConfigSet) -> Iterator[Path]:
        """A repository of the models with these configs, until the context is left; raises as `stage`."""
        with tempfile.TemporaryDirectory(
            prefix="models-", dir=self._directory, ignore_cleanup_errors=True
        ) as directory:
            yield stage(models, configs, Path(directory), read_only=self._read_only, originals=self._originals)

    def close(self) -> None:
        """Removes it; safe to call twice."""
        self._finalizer()


@contextmanager
def abandoned(directory: Path) -> Iterator[Path | None]:
    """Holds a staging area of a dead run, to be removed in the context; None if its run lives or it is not ours."""
    try:
        mine = directory.is_dir() and not directory.is_symlink() and directory.stat().st_uid == os.getuid()
        created = directory.stat().st_mtime
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        gone = not directory.exists()
        yield None if gone or not mine or time.time() - created < _CREATION_S else directory
        return
    except OSError:
        yield None
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = mine
    except OSError:  # held
        free = False
    try:
        yield directory if free else None
    finally:
        os.close(lock)


def abandoned_areas(beside: Path) -> list[Path]:
    """The staging areas in a directory that dead runs of this user left."""
    found = []
    for each in sorted(beside.glob(f"{_PREFIX}*")):
        with abandoned(each) as directory:
            if directory is not None:
                found.append(directory)
    return found


def remove_abandoned(directory: Path) -> None:
    """Removes a staging area, unless its run lives."""
    with abandoned(directory) as found:
        if found is not None:
            shutil.rmtree(found, ignore_errors=True)


def _create(beside: Path) -> tuple[Path, int]:
    """A new directory and the descriptor that holds its lock."""
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside))
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / _LOCK).exists():  # else another run took it for a dead one's in between
            return directory, lock
        os.close(lock)


def _remove(directory: Path, lock: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)
