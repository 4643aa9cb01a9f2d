"""Brings the models to workers that do not see them, once a host."""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from autotune.repository import ModelSpec, content_digest


def models_digest(models: Sequence[ModelSpec]) -> str:
    """SHA-256 (hex) of the models' files and configs."""
    digest = hashlib.sha256()
    for each in models:
        digest.update(f"{each.name} {content_digest(each)} {each.config.to_text()}\0".encode())
    return digest.hexdigest()


def pack(models: Sequence[ModelSpec]) -> bytes:
    """The models' directories as a tar archive, equal for equal files; links are replaced by what they point to."""

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
        return entry

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for each in models:
            archive.add(each.path, arcname=each.name, filter=anonymous)
    return buffer.getvalue()


def unpack(fetch: Callable[[], bytes], directory: Path) -> Path:
    """Unpacks the archive into a directory unless another process of this host has; returns the directory."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / ".repository.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            partial = directory.with_name("repository.partial")
            shutil.rmtree(partial, ignore_errors=True)  # of a process that was lost
            with tarfile.open(fileobj=io.BytesIO(fetch())) as archive:
                archive.extractall(partial, filter="data")
            partial.rename(directory)
    return directory
