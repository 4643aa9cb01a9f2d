"""The schema of Triton's ``ModelConfig``, from the installed Triton client.

All names, types and nesting of config fields come from these descriptors. There is no other list of fields.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

SINGLE_VALUE_MESSAGE = "ModelParameter"
"""The message that wraps a value of ``parameters``: one string."""


@lru_cache(maxsize=1)
def _model_config_class() -> Any:
    from tritonclient.grpc import model_config_pb2  # imported here because it takes 0.2 s

    return model_config_pb2.ModelConfig


def new_message() -> Message:
    """An empty ``ModelConfig`` message."""
    message: Message = _model_config_class()()
    return message


def root_descriptor() -> Descriptor:
    """The descriptor of ``ModelConfig``."""
    return cast("Descriptor", new_message().DESCRIPTOR)


def fields_of(message: Message) -> list[FieldDescriptor]:
    """The fields of a message's type, in schema order."""
    return cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields))


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether the field is a list (or a map)."""
    repeated = getattr(field, "is_repeated", None)  # protobuf before 6.31 has only the label
    return bool(getattr(field, "label", 0) == 3 if repeated is None else repeated)


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def map_fields(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map field."""
    entry = field.message_type
    assert entry is not None  # noqa: S101 - a map has entries
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def is_list_of_messages(field: FieldDescriptor) -> bool:
    """Whether the field is a list of messages and not a map."""
    return is_repeated(field) and field.message_type is not None and not is_map(field)


def is_single_value(field: FieldDescriptor) -> bool:
    """Whether the field is the text inside a value of ``parameters``."""
    return field.containing_type is not None and field.containing_type.name == SINGLE_VALUE_MESSAGE


def type_name(field: FieldDescriptor) -> str:
    """The accepted values in words: ``an integer``, ``true or false``, ``one of KIND_AUTO, KIND_GPU``."""
    if field.enum_type is not None:
        return f"one of {', '.join(value.name for value in field.enum_type.values)}"
    if field.message_type is not None:
        return "a mapping of fields"
    names = {
        field.CPPTYPE_BOOL: "true or false",
        field.CPPTYPE_STRING: "a string",
        field.CPPTYPE_FLOAT: "a number",
        field.CPPTYPE_DOUBLE: "a number",
    }
    return names.get(field.cpp_type, "an integer")


def suggestion(word: str, known: Iterable[str]) -> str:
    """The closest of the known words as a question, `` (did you mean 'x'?)``; empty if none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
