"""An entry from a directory with a file for each input, as perf_analyzer reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load.payload._array_file import read_array
from autotune.load.payload._entry import Entry, GivenTensor, Recorded, Values
from autotune.load.payload._image_file import IMAGES, Image
from autotune.load.payload._raw import bytes_elements, from_raw
from autotune.load.payload._show import show
from autotune.load.payload._types import MOST_DATA_BYTES
from autotune.reading import read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from autotune.load.payload._model_inputs import ModelInput


def files_of(directory: Path) -> list[Path]:
    """What stands in a directory, by name, without hidden files.

    Raises:
        OSError: The directory cannot be read.
    """
    return sorted(each for each in directory.iterdir() if not each.name.startswith("."))


def names_inputs(files: Sequence[Path], inputs: Sequence[ModelInput]) -> bool:
    """Whether any of the files is named after an input, with or without an extension."""
    names = {each.name for each in inputs}
    return any(file.name in names or file.stem in names for file in files)


def read_directory(
    directory: Path, files: Sequence[Path], inputs: Sequence[ModelInput], outputs: Sequence[str]
) -> Recorded:
    """One entry: a file INPUT of raw bytes (of BYTES one string a line), INPUT.npy, or an image such as INPUT.png.

    Files named after outputs, perf_analyzer's validation data, are not looked at.

    Raises:
        OSError: A file cannot be read.
        ValueError: A file that belongs to no input, or does not fit it; names both.
    """
    specs = {each.name: each for each in inputs}
    tensors: dict[str, GivenTensor] = {}
    for file in files:
        if file.name in outputs and file.name not in specs:
            continue
        name = file.name if file.name in specs else file.stem
        if name not in specs:
            raise ValueError(
                f"{directory}: file {show(file.name)} is named after no input of the model; its inputs are"
                f" {', '.join(specs)}"
            )
        if name in tensors:
            raise ValueError(f"{directory}: input {name!r} has two files; keep one")
        try:
            tensors[name] = _tensor(file, specs[name])
        except ValueError as error:
            raise ValueError(f"{file}: input {name!r}: {error}") from None
    return Recorded(((Entry(str(directory), tensors),),))


def _tensor(file: Path, spec: ModelInput) -> GivenTensor:
    if file.name == spec.name:
        raw = read_bytes(file, MOST_DATA_BYTES)
        values = _lines(raw) if spec.datatype == "BYTES" else from_raw(raw, spec.datatype, "the file")
        return Values(values, None, f"file {show(file.name)}, {len(raw)} bytes")
    if file.suffix == ".npy":
        return read_array(file, spec)
    if file.suffix.lower() in IMAGES:
        return Image(read_bytes(file, MOST_DATA_BYTES))
    raise ValueError(f"{file.suffix} is no kind of file for an input; use {spec.name} (raw), .npy or an image")


def _lines(text: bytes) -> NDArray[np.generic]:
    """The strings of a text file, one a line; a line break at the end of the last one begins no further string."""
    lines = text.split(b"\n")
    return bytes_elements(lines[:-1] if not lines[-1] else lines)
