"""Entries from NumPy's files: ``.npy`` holds the one input of a model, ``.npz`` an array for each input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from autotune.load.payload._entry import Entry, Recorded, Values
from autotune.load.payload._raw import bytes_elements
from autotune.load.payload._show import show, written
from autotune.load.payload._tensor_bytes import NUMPY_TYPES
from autotune.load.payload._types import MOST_DATA_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from autotune.load.payload._model_inputs import ModelInput

ARRAYS = (".npy", ".npz")
"""Extensions of the files."""


def read_arrays(path: Path, inputs: Sequence[ModelInput]) -> Recorded:
    """The file's entry, or one for each row where every array has one dimension more than the model's input.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no such file, or its arrays do not fit the model; names the input.
    """
    specs = {each.name: each for each in inputs}
    arrays = _loaded(path)
    if isinstance(arrays, np.ndarray):
        arrays = {only_input(path, inputs).name: arrays}
    if unknown := [name for name in arrays if name not in specs]:
        raise ValueError(f"{path}: the model has no input {show(unknown[0])}; its inputs are {', '.join(specs)}")
    if not arrays:
        raise ValueError(f"{path}: holds no array; save one for each input, as np.savez(path, INPUT=array) does")
    named = {}
    for name, array in arrays.items():
        try:
            named[name] = _elements(array, specs[name].datatype)
        except ValueError as error:
            raise ValueError(f"{path}: input {name!r}: {error}") from None
    rows = {len(array) if array.ndim == len(specs[name].item) + 1 else None for name, array in named.items()}
    if rows == {None}:
        return Recorded(((Entry(str(path), {name: _values(array) for name, array in named.items()}),),))
    if len(rows) > 1:
        shapes = ", ".join(f"{name} {written(array.shape)}" for name, array in named.items())
        raise ValueError(f"{path}: its arrays differ in the number of rows: {shapes}; give all the same")
    if rows == {0}:
        raise ValueError(f"{path}: its arrays have no row; every row is an entry")
    (count,) = rows
    return Recorded(
        (
            tuple(
                Entry(f"{path}: row {row + 1}", {name: _values(array[row]) for name, array in named.items()})
                for row in range(count or 0)
            ),
        )
    )


def read_array(path: Path, spec: ModelInput) -> Values:
    """The one tensor of a ``.npy`` file; raises as `read_arrays` does, without the file's name."""
    array = _loaded(path)
    if not isinstance(array, np.ndarray):
        raise ValueError("is a .npz archive; save one array as .npy")
    return _values(_elements(array, spec.datatype))


def only_input(path: Path, inputs: Sequence[ModelInput]) -> ModelInput:
    """The input that a file for one input is meant for: the only one, or the only one that every request needs.

    Raises:
        ValueError: There are several.
    """
    needed = [each for each in inputs if not each.optional] if len(inputs) > 1 else list(inputs)
    if len(needed) == 1:
        return needed[0]
    names = ", ".join(each.name for each in inputs)
    raise ValueError(
        f"{path}: holds one tensor, the model has the inputs {names}; put a file for each input, named after it, into"
        " a directory"
    )


def _loaded(path: Path) -> NDArray[np.generic] | Mapping[str, NDArray[np.generic]]:
    try:
        if path.stat().st_size > MOST_DATA_BYTES:
            raise ValueError("it has more than 2 GiB")
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            if sum(each.file_size for each in found.zip.infolist()) > MOST_DATA_BYTES:
                raise ValueError("its arrays have more than 2 GiB")
            return {name: found[name] for name in found.files}
    except OSError:
        raise
    except Exception as error:  # NumPy and zipfile raise errors of many kinds for damaged files
        raise ValueError(f"{path}: cannot be read as {path.suffix}: {' '.join(str(error).split())}") from None


def _elements(array: NDArray[np.generic], datatype: str) -> NDArray[np.generic]:
    """The array with the datatype's own type; nothing is converted but the byte order, and text to bytes."""
    if datatype == "BYTES":
        if array.dtype.kind not in "US":
            raise ValueError(f"is an array of {array.dtype}, which is not BYTES; save an array of strings")
        flat = [each.encode() if isinstance(each, str) else bytes(each) for each in array.ravel().tolist()]
        return bytes_elements(flat).reshape(array.shape)
    wanted = NUMPY_TYPES[datatype]
    if array.dtype.kind == "V" and array.dtype.itemsize == wanted.itemsize and datatype == "BF16":
        return array.view(wanted)
    if array.dtype.newbyteorder("<") != wanted:
        remedy = (
            "an array of uint16 with their upper halves" if datatype == "BF16" else f"array.astype({wanted.name!r})"
        )
        raise ValueError(f"is an array of {array.dtype.name}, the model takes {datatype}; save {remedy}")
    return array.astype(wanted, copy=False)


def _values(array: NDArray[np.generic]) -> Values:
    return Values(np.ascontiguousarray(array).ravel(), tuple(array.shape))
