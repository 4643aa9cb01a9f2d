"""Finds perf_analyzer and checks that it runs on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from autotune.errors import UsageError

NAME = "perf_analyzer"
_FLAG = "--perf-analyzer"
_ANSWERS_WITHIN_S = 20.0
_VERSION = re.compile(r"Perf Analyzer Version", re.IGNORECASE)
_LOADER = re.compile(r"error while loading shared libraries: (?P<reason>.*)|(?P<glibc>version `GLIBC\S* not found.*)")
_SOURCE = "it is bin/perf_analyzer of the tritonclient wheels 2.44 to 2.60 and part of the Triton SDK container"
# What the loader misses -> what to do. The first that occurs in its words counts.
_REMEDIES = (
    ("libcudart.so", "install the package nvidia-cuda-runtime-cu12 and put its lib folder on LD_LIBRARY_PATH"),
    ("libb64", "install the system package libb64-0d"),
    ("GLIBC", "take it from the tritonclient wheel 2.50, which runs on older systems"),
)
_OTHER_REMEDY = "install the library or put its folder on LD_LIBRARY_PATH"


def find_perf_analyzer(path: Path | None = None) -> Path:
    """The binary at ``path``, or on PATH, or beside the running interpreter, after it has answered ``--version``.

    Raises:
        UsageError: None is there, or it cannot run here; the message has the loader's own words and the remedy.
    """
    binary = _located(path)
    try:
        ended = subprocess.run(
            [str(binary), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWERS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{_FLAG}: {binary} did not answer --version within {_ANSWERS_WITHIN_S:g} s") from None
    except OSError as error:
        raise UsageError(f"{_FLAG}: {binary} cannot be started: {error.strerror}; {_SOURCE}") from error
    said = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "replace")
    if ended.returncode == 0 and _VERSION.search(said):
        return binary
    raise UsageError(f"{_FLAG}: {binary} {_why(said, ended.returncode)}")


def _located(path: Path | None) -> Path:
    if path is None:
        folders = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        found = shutil.which(NAME, path=folders)
        if found is None:
            raise UsageError(f"{_FLAG}: no {NAME} on PATH; give its path: {_SOURCE}")
        return Path(found).absolute()
    if path.is_dir():
        raise UsageError(f"{_FLAG}: {path} is a folder; give the {NAME} binary in it")
    if not path.exists():
        raise UsageError(f"{_FLAG}: {path} does not exist; {_SOURCE}")
    if not os.access(path, os.X_OK):
        raise UsageError(f"{_FLAG}: {path} is not executable; run chmod +x {path}")
    return path.absolute()


def _why(said: str, returncode: int) -> str:
    """Why what was started is of no use, and what to do about it."""
    loader = _LOADER.search(said)
    if loader:
        reason = (loader["reason"] or loader["glibc"]).strip()
        remedy = next((remedy for missing, remedy in _REMEDIES if missing in reason), _OTHER_REMEDY)
        return f"cannot run here: {reason}; {remedy}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    words = f": {lines[-1][:200]}" if lines else ""
    return (
        f"is not perf_analyzer: --version ended with exit code {returncode}{words}"
        f" (the package perf-analyzer 0.1.0 is an empty placeholder); {_SOURCE}"
    )
