"""Which build of autotune runs here: its version and a digest of its source."""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path

_DIGITS = 8


@functools.cache
def build() -> str:
    """``0.1.0 (source 1a2b3c4d)``: equal on machines that run the same code."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    try:
        version = metadata.version("triton-autotune")
    except metadata.PackageNotFoundError:  # run from its source tree
        version = "not installed"
    return f"{version} (source {digest.hexdigest()[:_DIGITS]})"
