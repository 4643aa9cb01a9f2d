"""Reads and writes one field of a config message by its path, with types from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository._path import Every, Selector, Step
from autotune.repository._scalars import as_text, from_python
from autotune.repository._schema import (
    SINGLE_VALUE_MESSAGE,
    fields_of,
    is_map,
    is_repeated,
    is_single_value,
    map_fields,
    suggestion,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message


def read_values(message: Message, steps: Sequence[Step]) -> list[Any]:
    """The values at the steps, as Python values; one per element if the steps cross lists."""
    step, rest = steps[0], steps[1:]
    if rest:
        return [value for child in _children(message, step) for value in read_values(child, rest)]
    if step.selector is not None:
        return _selected(message, step)
    return _whole(message, step.field)


def _selected(message: Message, step: Step) -> list[Any]:
    """The list element or map entry that the last step selects."""
    content = getattr(message, step.field.name)
    if is_map(step.field):
        present = step.selector in content
    else:
        present = isinstance(step.selector, int) and step.selector < len(content)
    return [_to_python(_element_field(step.field), content[step.selector])] if present else []


def _whole(message: Message, field: FieldDescriptor) -> list[Any]:
    content = getattr(message, field.name)
    if is_map(field):
        return [{key: _to_python(map_fields(field)[1], content[key]) for key in sorted(content)}] if content else []
    if is_repeated(field):
        return [tuple(_to_python(field, value) for value in content)] if content else []
    if field.has_presence and not message.HasField(field.name):
        return []
    return [_to_python(field, content)]


def is_set(message: Message, steps: Sequence[Step]) -> bool:
    """Whether the config sets the field at any place that the steps select."""
    step, rest = steps[0], steps[1:]
    if rest:
        return any(is_set(child, rest) for child in _children(message, step))
    if step.selector is not None or is_repeated(step.field):
        return bool(read_values(message, steps))
    if step.field.has_presence:
        return message.HasField(step.field.name)
    return bool(getattr(message, step.field.name) != step.field.default_value)


def write_value(message: Message, steps: Sequence[Step], value: Any, path: str) -> None:
    """Sets the field in place; missing parent messages are created.

    Raises:
        UsageError: The value does not fit the field, or the field excludes one that is set.
    """
    step, rest = steps[0], steps[1:]
    _check_exclusive(message, step.field, path)
    if rest:
        for child in list(_children(message, step, create=True)):
            write_value(child, rest, value, path)
        return
    _write(message, step, value, path)


def clear_value(message: Message, steps: Sequence[Step]) -> None:
    """Clears the field in place, at every place that the steps select."""
    step, rest = steps[0], steps[1:]
    if rest and is_single_value(rest[0].field):  # a parameter is removed as a whole
        getattr(message, step.field.name).pop(step.selector, None)
        return
    if rest:
        for child in list(_children(message, step)):
            clear_value(child, rest)
        return
    content = getattr(message, step.field.name)
    if step.selector is None:
        message.ClearField(step.field.name)
    elif is_map(step.field):
        content.pop(step.selector, None)
    elif isinstance(step.selector, int) and step.selector < len(content):
        del content[step.selector]


def _children(message: Message, step: Step, create: bool = False) -> Iterator[Message]:
    """The messages that a step before the last one selects."""
    field = step.field
    content = getattr(message, field.name)
    if is_map(field):
        if create or step.selector in content:
            yield content[step.selector]
    elif not is_repeated(field):
        if create:
            content.SetInParent()
        if create or message.HasField(field.name):
            yield content
    elif step.selector is Every.ELEMENT:
        if create and not content:
            content.add()
        yield from content
    elif isinstance(step.selector, int):
        while create and len(content) <= step.selector:
            content.add()
        if step.selector < len(content):
            yield content[step.selector]


def _write(message: Message, step: Step, value: Any, path: str) -> None:
    field, name = step.field, step.field.name
    content = getattr(message, name)
    if is_map(field):
        entries = {step.selector: value} if step.selector is not None else _mapping(field, value, path)
        if step.selector is None:
            content.clear()
        for key, each in entries.items():
            _write_map_entry(content, field, key, each, path)
    elif is_repeated(field):
        _write_list(message, field, step.selector, value, path)
    elif field.message_type is not None:
        content.Clear()
        content.SetInParent()
        _fill(content, _mapping(field, value, path), path)
    else:
        setattr(message, name, from_python(field, value, path))


def _write_map_entry(content: Any, field: FieldDescriptor, key: Any, value: Any, path: str) -> None:
    value_field = map_fields(field)[1]
    if value_field.message_type is None:
        content[key] = as_text(value, path)
    elif value_field.message_type.name == SINGLE_VALUE_MESSAGE:
        content[key].string_value = as_text(value, path)
    else:
        content[key].Clear()
        _fill(content[key], _mapping(value_field, value, path), path)


def _write_list(message: Message, field: FieldDescriptor, selector: Selector, value: Any, path: str) -> None:
    content = getattr(message, field.name)
    if selector is None and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise UsageError(f"{path}: expected a list, found {value!r}; write [{value}]")
    if field.message_type is not None:
        if isinstance(selector, int):
            while len(content) <= selector:
                content.add()
            content[selector].Clear()
            _fill(content[selector], _mapping(field, value, path), path)
            return
        del content[:]
        for each in value:
            _fill(content.add(), _mapping(field, each, path), path)
        return
    if isinstance(selector, int):
        if selector > len(content):
            raise UsageError(f"{path}: the list has {len(content)} elements; write an index up to {len(content)}")
        content[selector : selector + 1] = [from_python(field, value, path)]
        return
    values = [from_python(field, each, path) for each in value]
    del content[:]
    content.extend(values)


def _fill(message: Message, values: Mapping[str, Any], path: str) -> None:
    for name, value in values.items():
        known = {field.name: field for field in fields_of(message)}
        field = known.get(name)
        if field is None:
            hint = suggestion(str(name), known)
            raise UsageError(f"{path}: unknown config field {name!r} of {message.DESCRIPTOR.name}{hint}")
        write_value(message, (Step(field),), value, path)


def _mapping(field: FieldDescriptor, value: Any, path: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise UsageError(
            f"{path}: {field.name!r} holds other fields, found the value {value!r}; name one of its fields"
        )
    return value


def _check_exclusive(message: Message, field: FieldDescriptor, path: str) -> None:
    if field.containing_oneof is None:
        return
    other = message.WhichOneof(field.containing_oneof.name)
    if other not in {None, field.name}:
        raise UsageError(f"{path}: the config has {other}, which excludes {field.name}; remove one of them")


def _element_field(field: FieldDescriptor) -> FieldDescriptor:
    return map_fields(field)[1] if is_map(field) else field


def _to_python(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        if field.message_type.name == SINGLE_VALUE_MESSAGE:
            return value.string_value
        set_fields = (each for each in fields_of(value) if is_set(value, (Step(each),)))
        return {each.name: read_values(value, (Step(each),))[0] for each in set_fields}
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known is not None else value
    return value
