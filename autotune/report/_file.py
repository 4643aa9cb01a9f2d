"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from autotune.errors import UsageError

STANDARD_OUTPUT = Path("-")
"""Stands for standard output where a file is expected."""


def write_file(path: Path, content: bytes) -> None:
    """Writes through a neighbouring file, so that a reader never sees half of it; creates the directory.

    Raises:
        UsageError: It cannot be written; the flag named is ``--output``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        raise UsageError(f"--output: cannot write {path}: {error.strerror}; name another file") from error
