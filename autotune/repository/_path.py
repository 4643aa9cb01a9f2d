"""Paths that name a config field: ``max_batch_size``, ``instance_group[0].count``, ``parameters.threads``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.repository._schema import (
    SINGLE_VALUE_MESSAGE,
    is_list_of_messages,
    is_map,
    is_repeated,
    is_single_value,
    map_fields,
    root_descriptor,
    suggestion,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

_SEGMENT = re.compile(r"""(?P<name>[^.\[\]]+)(?:\[(?:(?P<index>\d+)|(?P<key>"(?:\\.|[^"\\])*"))\])?(?:\.|$)""")


class Every(Enum):
    """Selects every element of a list."""

    ELEMENT = "every element"


Selector = str | int | bool | Every | None


@dataclass(frozen=True)
class Step:
    """One step of a path.

    Attributes:
        field: The field.
        selector: An index (lists), a key (maps), every element (lists of messages before the last step), or None: the
            whole field.
    """

    field: FieldDescriptor
    selector: Selector = None


_MOST_ELEMENTS = 10_000  # guess: elements up to an index are created
_MOST_DIGITS = 20  # of a 64-bit number


def resolve(path: str) -> tuple[Step, ...]:
    """The steps of a path from the config's root, checked against the schema.

    A map's key is the next segment, or quoted in brackets. Below a map of plain values such as ``parameters``
    the rest of the path is the key, dots included.

    Raises:
        UsageError: There is no such field, or it takes no index or key.
    """
    segments = _segments(path)
    descriptor: Descriptor | None = root_descriptor()
    steps: list[Step] = []
    while segments:
        name, index, key = segments.pop(0)
        if descriptor is None:
            raise UsageError(
                f"{path}: {steps[-1].field.name!r} holds a value, it has no field {name!r}; end the path there"
            )
        field = descriptor.fields_by_name.get(name)
        if field is None:
            hint = suggestion(name, descriptor.fields_by_name) or f"; it has {', '.join(descriptor.fields_by_name)}"
            raise UsageError(f"{path}: unknown config field {name!r} of {descriptor.name}{hint}")
        if is_map(field):
            steps += _map_steps(path, field, index, key, segments)
        else:
            steps.append(_step(path, field, index, key, bool(segments)))
        descriptor = map_fields(field)[1].message_type if is_map(field) else field.message_type
        if is_single_value(steps[-1].field):
            descriptor = None
    return tuple(steps)


def _step(path: str, field: FieldDescriptor, index: str | None, key: str | None, on_the_way: bool) -> Step:
    if key is not None or (index is not None and not is_repeated(field)):
        raise UsageError(f"{path}: {field.name!r} is not a {'map' if key else 'list'}; drop the brackets")
    if index is not None:
        if len(index) > len(str(_MOST_ELEMENTS)) or int(index) >= _MOST_ELEMENTS:
            raise UsageError(f"{path}: the index is {_MOST_ELEMENTS} or more; write a smaller one")
        return Step(field, int(index))
    return Step(field, Every.ELEMENT if on_the_way and is_list_of_messages(field) else None)


def _map_steps(
    path: str,
    field: FieldDescriptor,
    index: str | None,
    quoted: str | None,
    segments: list[tuple[str, str | None, str | None]],
) -> list[Step]:
    key_field, value_field = map_fields(field)
    value_type = value_field.message_type
    wrapped = value_type is not None and value_type.name == SINGLE_VALUE_MESSAGE
    if quoted is not None:
        key = json.loads(quoted)
        if wrapped and [name for name, _, _ in segments] == ["string_value"]:
            segments.clear()
    elif index is not None:
        key = index
    elif not segments:
        return [Step(field)]
    elif value_type is None or wrapped:
        rest = [_written(segment) for segment in segments]
        if wrapped and len(rest) > 1 and rest[-1] == "string_value":
            rest.pop()
        key = ".".join(rest)
        segments.clear()
    else:
        key = _written(segments.pop(0))
    step = Step(field, _key(path, key, key_field))
    if wrapped and value_type is not None:
        return [step, Step(value_type.fields_by_name["string_value"])]
    return [step]


def _key(path: str, text: str, field: FieldDescriptor) -> str | int | bool:
    if field.cpp_type == field.CPPTYPE_STRING:
        return text
    if field.cpp_type == field.CPPTYPE_BOOL:
        return text == "true"
    if not (text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS):
        raise UsageError(f"{path}: the keys of this map are numbers, found {text!r}; write one such as 1")
    return int(text)


def _segments(path: str) -> list[tuple[str, str | None, str | None]]:
    segments, position = [], 0
    while position < len(path):
        match = _SEGMENT.match(path, position)
        if match is None:
            break
        segments.append((match["name"], match["index"], match["key"]))
        position = match.end()
    if position < len(path) or not path or path.endswith("."):
        raise UsageError(f"{path!r}: not a path to a config field; write one such as instance_group[0].count")
    return segments


def _written(segment: tuple[str, str | None, str | None]) -> str:
    name, index, key = segment
    return name + (f"[{index if index is not None else key}]" if index is not None or key is not None else "")
