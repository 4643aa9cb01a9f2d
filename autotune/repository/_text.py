"""Writes a config in protobuf text format, in the style of Triton's examples."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

from autotune.repository._schema import fields_of, is_map, is_repeated, map_fields

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from autotune.repository._unknown_fields import Place, UnknownFields


def message_lines(message: Message, unknown: UnknownFields, place: Place = ()) -> list[str]:
    """The lines of a message: fields in schema order, map keys sorted, unknown fields last."""
    lines = [line for field in fields_of(message) for line in field_lines(message, field, unknown, place)]
    return [*lines, *unknown.get(place, ())]


def field_lines(message: Message, field: FieldDescriptor, unknown: UnknownFields, place: Place = ()) -> list[str]:
    """The lines of one field of the message at that place; none if it is not set."""
    here, value = (*place, field.name), getattr(message, field.name)
    if is_map(field):
        return map_lines(field, value, unknown, here)
    if is_repeated(field):
        return _list_lines(field, list(value), unknown, here)
    if field.message_type is not None:
        return _block(f"{field.name} ", message_lines(value, unknown, here)) if message.HasField(field.name) else []
    if message.HasField(field.name) if field.has_presence else _is_set(message, field):
        return [f"{field.name}: {_scalar(field, value)}"]
    return []


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    return bool(getattr(message, field.name) != field.default_value)


def _list_lines(field: FieldDescriptor, values: list[Any], unknown: UnknownFields, place: Place) -> list[str]:
    if not values:
        return []
    if field.message_type is None:
        return [f"{field.name}: [ {', '.join(_scalar(field, value) for value in values)} ]"]
    items: list[str] = []
    for index, value in enumerate(values):
        item = _block("", message_lines(value, unknown, (*place, index)))
        if index < len(values) - 1:
            item[-1] += ","
        items += item
    return _block(f"{field.name} ", items, brackets="[]")


def map_lines(field: FieldDescriptor, values: Any, unknown: UnknownFields, place: Place) -> list[str]:
    """The lines of a map's entries, by key."""
    key_field, value_field = map_fields(field)
    lines = []
    for key in sorted(values):
        entry = [f"key: {_scalar(key_field, key)}"]
        if value_field.message_type is None:
            entry.append(f"value: {_scalar(value_field, values[key])}")
        else:
            body = message_lines(values[key], unknown, (*place, key))
            entry += [f"value: {{ {body[0]} }}"] if len(body) == 1 else _block("value: ", body)
        lines += [f"{field.name} {{ {' '.join(entry)} }}"] if len(entry) == 2 else _block(f"{field.name} ", entry)
    return lines


def _block(start: str, body: list[str], brackets: str = "{}") -> list[str]:
    if not body:
        return [f"{start}{brackets[0]} {brackets[1]}"]
    return [f"{start}{brackets[0]}", *(f"  {line}" for line in body), brackets[1]]


def _scalar(field: FieldDescriptor, value: Any) -> str:
    from google.protobuf import text_format

    out = StringIO()
    text_format.PrintFieldValue(field, value, out, as_utf8=True)
    return out.getvalue()
