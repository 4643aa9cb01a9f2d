"""Entries from a JSON file, in the format that perf_analyzer reads with ``--input-data``."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from autotune.load.payload._entry import Entry, GivenTensor, Recorded
from autotune.load.payload._json_tensor import parse_tensor
from autotune.load.payload._show import show
from autotune.load.payload._types import MOST_DATA_BYTES
from autotune.reading import Unreadable, read_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from autotune.load.payload._model_inputs import ModelInput

_FORMAT = 'write {"data": [{"INPUT": [...]}, ...]} as perf_analyzer reads it'
_MODEL = "model"  # perf_analyzer passes over this key of an entry
# Numbers that perf_analyzer reads and Python does not; strings are matched so that they stay as they are.
_STRING_OR_SPECIAL = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-NaN|-?Inf(?:inity)?')
_SPECIAL = {"-NaN": "NaN", "Inf": "Infinity", "-Inf": "-Infinity"}


def read_json(path: Path, inputs: Sequence[ModelInput]) -> Recorded:
    """The file's entries; lists of entries are streams.

    An entry names every input that is not optional; a tensor is flat in row-major order, nested, or base64.
    ``validation_data`` is not looked at.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not of that form; the message says where.
    """
    stat = path.stat()
    return _recorded(path, stat.st_mtime_ns, stat.st_size, tuple((each.name, each.datatype) for each in inputs))


@functools.lru_cache(maxsize=16)
def _recorded(path: Path, modified_ns: int, size: int, datatypes: tuple[tuple[str, str], ...]) -> Recorded:
    """See `read_json`; a study reads the file for every candidate, so that entries are kept while it is unchanged."""
    types = dict(datatypes)
    data = _data(path)
    streams = tuple(
        tuple(_entry(where, written, types) for where, written in stream) for stream in _numbered(path, data)
    )
    return Recorded(streams, separate=isinstance(data[0], list))


def _entry(where: str, written: Any, types: dict[str, str]) -> Entry:
    if not isinstance(written, dict):
        raise ValueError(f"{where} is not an object of inputs; {_FORMAT}")
    tensors: dict[str, GivenTensor] = {}
    for key, value in written.items():
        if key not in types:
            if key == _MODEL:
                continue
            raise ValueError(f"{where}: the model has no input {show(key)}; its inputs are {', '.join(types)}")
        try:
            tensors[key] = parse_tensor(value, types[key])
        except ValueError as error:
            raise ValueError(f"{where}: input {key!r}: {error}") from None
    return Entry(where, tensors)


def _data(path: Path) -> list[Any]:
    """The value of ``data``."""
    try:
        document = _parsed(read_text(path, MOST_DATA_BYTES))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}; {_FORMAT}"
        ) from None
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {' '.join(str(error).split())}; {_FORMAT}") from None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise ValueError(f'{path}: has no list named "data"; {_FORMAT}')
    if not data or [] in data:
        raise ValueError(f'{path}: "data" holds no entry{" in one of its streams" if data else ""}; {_FORMAT}')
    return data


def _parsed(text: str) -> Any:
    """The document. perf_analyzer (RapidJSON's kParseNanAndInfFlag) also reads ``Inf``, ``-Inf`` and ``-NaN``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        specials = [each for each in _STRING_OR_SPECIAL.finditer(text) if each.group() in _SPECIAL]
        if not specials:
            raise
        try:
            return json.loads(_STRING_OR_SPECIAL.sub(lambda each: _SPECIAL.get(each.group(), each.group()), text))
        except json.JSONDecodeError as later:
            if specials[0].start() > error.pos:  # it is not one of these numbers that is at fault
                raise error from None
            raise _moved(later, text, specials) from None


def _moved(error: json.JSONDecodeError, text: str, specials: Sequence[re.Match[str]]) -> json.JSONDecodeError:
    """The error at its place in the text before the numbers were rewritten."""
    position = error.pos
    for each in specials:
        longer = len(_SPECIAL[each.group()]) - len(each.group())
        if each.end() + longer > position:
            break
        position -= longer
    return json.JSONDecodeError(error.msg, text, position)


def _numbered(path: Path, data: Sequence[Any]) -> list[list[tuple[str, Any]]]:
    """The streams, with the place of every entry.

    Raises:
        ValueError: Entries stand beside streams; perf_analyzer does not read such a file either.
    """
    lists = [isinstance(each, list) for each in data]
    if not any(lists):
        return [[(f"{path}: entry {number}", entry) for number, entry in enumerate(data, 1)]]
    if not all(lists):
        raise ValueError(f'{path}: "data" mixes entries and lists of entries (streams); write one kind')
    return [
        [(f"{path}: stream {number}, entry {step}", entry) for step, entry in enumerate(stream, 1)]
        for number, stream in enumerate(data, 1)
    ]
