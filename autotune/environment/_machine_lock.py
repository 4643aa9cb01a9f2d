"""One run measures on a machine at a time: two would disturb each other."""

from __future__ import annotations

import fcntl
import getpass
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autotune.errors import UsageError

PLACE = Path("/tmp/autotune-machine.lock")  # noqa: S108 - the same for all users; TMPDIR may differ between them
_MOST_BYTES = 1000


@contextmanager
def machine_lock(what: str, place: Path | None = None) -> Iterator[None]:
    """Holds the machine until the context is left; the kernel lets go of it for a dead process.

    Where no lock can be created, nothing is held.

    Args:
        what: What is run, for the error that another run gets.
        place: The file of the lock, by default the machine's.

    Raises:
        UsageError: Another process holds it; the message says which.
    """
    descriptor = _open(place or PLACE)
    if descriptor is None:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"--share-machine: {_holder(descriptor)} measures on this machine, and both would disturb each other; "
                "wait for it, or go on with --share-machine"
            ) from None
        with suppress(OSError):  # another user's file that only they may write
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"`{what}` ({_user()}, process {os.getpid()})".encode()[:_MOST_BYTES], 0)
        yield
    finally:
        os.close(descriptor)


def _open(place: Path) -> int | None:
    # Without O_CREAT first: in a sticky directory the kernel may refuse it for another user's file.
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_RDWR | os.O_CREAT):
        with suppress(OSError):
            descriptor = os.open(place, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                return None
            with suppress(OSError):  # whatever the umask: other users write their names too
                os.fchmod(descriptor, 0o666)
            return descriptor
    return None


def _holder(descriptor: int) -> str:
    words = os.pread(descriptor, _MOST_BYTES, 0).decode(errors="replace")
    return "".join(each for each in words if each.isprintable()) or "another run"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry in the password file, as often in a container
        return f"user {os.getuid()}"
