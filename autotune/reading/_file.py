"""Regular files of a bounded size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LONGEST_NAME = 255
"""Bytes of a file's name on the file systems of Linux (NAME_MAX)."""

MOST_TEXT_BYTES = 1 << 20
"""Default limit of a text that people write: a search space or a config has some kilobytes (a guess)."""


class Unreadable(ValueError):
    """A file cannot be read; the message says why, without the file's name."""


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        Unreadable: It is missing, a directory, a pipe, a device, too large, or the system refuses it.
    """
    try:
        # A pipe that nobody writes to would block; the flag changes nothing for a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise Unreadable(reason(error)) from None
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise Unreadable("Is a directory")
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("it is a pipe or a device; write its content to a file")
        if found.st_size > most_bytes:
            raise Unreadable(f"it has more than {_size(most_bytes)}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(found.st_size)
    except OSError as error:
        raise Unreadable(reason(error)) from None
    finally:
        os.close(descriptor)


def read_text(path: Path, most_bytes: int = MOST_TEXT_BYTES) -> str:
    """The content of a regular file in UTF-8, with or without a byte order mark.

    Raises:
        Unreadable: See `read_bytes`, or it is no text.
    """
    content = read_bytes(path, most_bytes)
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 text (byte {error.start})") from None


def reason(error: Exception) -> str:
    """What the system says, without number and name of the file."""
    return str(getattr(error, "strerror", None) or error)


def _size(count: int) -> str:
    return f"{count >> 30} GiB" if count >= 1 << 30 else f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"
