"""Where input data comes from: files and directories, each kind read by its own module."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.load.payload._array_file import ARRAYS, read_arrays
from autotune.load.payload._directory import files_of, names_inputs, read_directory
from autotune.load.payload._image_file import IMAGES, read_image
from autotune.load.payload._json_file import read_json
from autotune.load.payload._model_inputs import ModelInput, model_inputs
from autotune.load.payload._requests import requests_of
from autotune.load.payload._types import MOST_DATA_BYTES
from autotune.reading import Unreadable, read_bytes

if TYPE_CHECKING:
    from autotune.load.payload._entry import Entry, Recorded
    from autotune.load.payload._types import Payload

_READERS = {
    **dict.fromkeys(ARRAYS, read_arrays),
    **dict.fromkeys(IMAGES, read_image),
    ".json": read_json,
}
_FLAG = "--input-data"


def read_streams(
    paths: Sequence[Path],
    model: str,
    metadata: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    batch_size: int = 1,
    shapes: Mapping[str, Sequence[int]],
) -> tuple[tuple[Payload, ...], ...]:
    """The requests of each stream, in the order of the paths.

    Entries that stand in no stream are one stream together, over all files, as perf_analyzer has it.

    Args:
        paths: The files and directories.
        model: The model's name.
        metadata: Its metadata, ``/v2/models/M``.
        config: Its complete config, ``/v2/models/M/config``.
        batch_size: Inferences in one request.
        shapes: Input name to shape, for inputs whose shape the files do not say.

    Raises:
        UsageError: A file cannot be read, is not of its form, or does not fit the model; names the file, the entry
            and the input. Or what `model_inputs` raises.
    """
    inputs = model_inputs(model, metadata, config, batch_size, shapes)
    outputs = [str(each["name"]) for each in metadata.get("outputs", ())]
    try:
        streams = _joined([each for path in paths for each in _read(path, inputs, outputs)])
        return tuple(requests_of(model, inputs, stream) for stream in streams)
    except ValueError as error:
        raise UsageError(f"{_FLAG}: {error}") from None


def check_paths(paths: Sequence[Path]) -> None:
    """Raises `UsageError` for a path that is neither a file nor a directory, or that cannot be reached."""
    try:
        for path in paths:
            _is_directory(path)
    except ValueError as error:
        raise UsageError(f"{_FLAG}: {error}") from None


def content_digest(paths: Sequence[Path]) -> str:
    """The SHA-256 of what the files hold; of a single file the one that ``sha256sum`` prints.

    Raises:
        UsageError: A file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in paths:
            for file in files_of(path) if _is_directory(path) else (path,):
                if file != path:
                    digest.update(f"{file.name}\n".encode())
                if not _is_directory(file):
                    digest.update(read_bytes(file, MOST_DATA_BYTES))
    except (OSError, Unreadable) as error:
        raise UsageError(f"{_FLAG}: {_unreadable(path, error)}") from None
    except ValueError as error:
        raise UsageError(f"{_FLAG}: {error}") from None
    return digest.hexdigest()


def _joined(recorded: Sequence[Recorded]) -> list[tuple[Entry, ...]]:
    """The streams; entries that stand in none make one together."""
    separate = {each.separate for each in recorded}
    if len(separate) > 1:
        raise ValueError("some files hold entries and others streams (lists of entries); give one kind")
    if separate == {True}:
        return [stream for each in recorded for stream in each.streams]
    return [tuple(entry for each in recorded for stream in each.streams for entry in stream)]


def _read(path: Path, inputs: Sequence[ModelInput], outputs: Sequence[str]) -> list[Recorded]:
    """What a path holds; a directory may hold files of which each is complete."""
    try:
        if not _is_directory(path):
            return [_READERS.get(path.suffix.lower(), read_json)(path, inputs)]
        files = files_of(path)
        if not files:
            raise ValueError(f"{path}: holds no file; put one file for each input into it, named after the input")
        if nested := [file for file in files if _is_directory(file)]:
            raise ValueError(f"{nested[0]}: is a directory in a directory of input data; it holds files only")
        if not names_inputs(files, inputs) and all(file.suffix.lower() in _READERS for file in files):
            return [each for file in files for each in _read(file, inputs, outputs)]
        return [read_directory(path, files, inputs, outputs)]
    except Unreadable as error:
        raise ValueError(_unreadable(path, error)) from None
    except OSError as error:
        raise ValueError(_unreadable(Path(error.filename) if error.filename else path, error)) from None


def _is_directory(path: Path) -> bool:
    """Whether it is a directory instead of a file; raises `ValueError` for anything else."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ValueError(_unreadable(path, error)) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(
            f"{path}: is neither a file nor a directory; write its content to a file, because it is read several times"
        )
    return stat.S_ISDIR(mode)


def _unreadable(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"cannot read {path}: {reason}; use random, zero, or the path of a file or directory"
