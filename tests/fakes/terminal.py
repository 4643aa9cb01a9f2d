"""A pseudo-terminal of a given width, and what a command drew in it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Sequence

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def drawn(command: Sequence[str], columns: int, timeout_s: float = 60.0) -> tuple[int, str]:
    """The exit status of a command, and all it wrote to a terminal of that many columns, as its standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    written = bytearray()
    try:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: nobody holds the other end any more
                break
            if not part:
                break
            written += part
        status = process.wait(timeout=timeout_s)
    finally:
        process.kill()
        os.close(ours)
    return status, written.decode()


def lines(written: str) -> list[str]:
    """The lines without colours and cursor movements, in the order in which they were drawn."""
    return [line.rstrip() for line in re.split(r"[\r\n]+", _ESCAPES.sub("", written)) if line.strip()]
