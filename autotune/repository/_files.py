"""The files of a model's directory."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autotune.repository._spec import ModelSpec

CONFIG_FILE = "config.pbtxt"
_CACHES = {"__pycache__", ".ipynb_checkpoints", ".git"}
_VERSION = re.compile(r"[1-9]\d*")  # Triton passes over other names, those with a leading zero included
_CHUNK_BYTES = 1 << 20


def is_model(entry: Path) -> bool:
    """Whether an entry of a repository is a model's directory: it has a config or a numbered version."""
    if entry.name.startswith((".", "__")) or not entry.is_dir():
        return False
    return (entry / CONFIG_FILE).is_file() or any(version_numbers(entry))


def version_numbers(directory: Path) -> Iterator[int]:
    """The versions of the model in a directory."""
    return (int(each.name) for each in directory.iterdir() if _VERSION.fullmatch(each.name) and each.is_dir())


def model_files(directory: Path) -> Iterator[tuple[Path, Path]]:
    """All files of a model but its config, as (path in the directory, path on disk).

    A directory comes before its content, in a stable order. Links are followed. Caches of Python and notebooks are left
    out, because a server writes to them.

    Raises:
        UsageError: A link leads nowhere or back to a directory above it.
    """
    yield from _walk(directory, Path(), (directory.resolve(),))


def _walk(directory: Path, relative: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, Path]]:
    for entry in sorted(directory.iterdir()):
        if entry.name in _CACHES or (not relative.parts and entry.name == CONFIG_FILE):
            continue
        here, target = relative / entry.name, entry.resolve()
        if target.is_dir():
            if target in above:
                raise UsageError(f"--model-repository: {entry} links to a directory above it; remove the link")
            yield here, target
            yield from _walk(entry, here, (*above, target))
        elif target.is_file():
            yield here, target
        elif entry.is_symlink() and not target.exists():
            raise UsageError(
                f"--model-repository: {entry} links to {os.readlink(entry)}, which does not exist; fix the link"
            )


def file_listing(spec: ModelSpec) -> str:
    """The files of a model with their sizes, a line each: ``mnist/1/model.onnx  26.4 kB``."""
    config = spec.path / CONFIG_FILE
    files = [(Path(CONFIG_FILE), config)] if config.is_file() else []
    files += [(relative, path) for relative, path in model_files(spec.path) if path.is_file()]
    return "".join(f"{spec.name}/{relative.as_posix()}  {_size(path.stat().st_size)}\n" for relative, path in files)


def _size(count: int) -> str:
    """Bytes as a person reads them, in powers of 1000: ``512 B``, ``26.4 kB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"


def content_digest(spec: ModelSpec) -> str:
    """SHA-256 (hex) over names and contents of a model's files, without its config."""
    digest = hashlib.sha256()
    for relative, path in model_files(spec.path):
        if path.is_dir():
            continue
        name = relative.as_posix().encode()
        digest.update(f"{len(name)}:".encode() + name + f":{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
