"""Converts Python values to values of config fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from autotune.errors import UsageError
from autotune.repository._schema import is_single_value, suggestion, type_name

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


def from_python(field: FieldDescriptor, value: Any, path: str) -> Any:
    """Converts a value for a scalar field.

    Raises:
        UsageError: It has another type, is out of range, or is not a value of the enum.
    """
    if is_single_value(field):
        return as_text(value, path)
    if field.enum_type is not None:
        return _enum_number(field, value, path)
    expected: dict[int, tuple[type, ...]] = {
        field.CPPTYPE_BOOL: (bool,),
        field.CPPTYPE_STRING: (str,),
        field.CPPTYPE_FLOAT: (int, float),
        field.CPPTYPE_DOUBLE: (int, float),
    }
    allowed = expected.get(field.cpp_type, (int,))
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise UsageError(f"{path}: expected {type_name(field)}, found {value!r}; correct the value")
    limits = {
        field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
        field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
        field.CPPTYPE_UINT32: (0, 2**32 - 1),
        field.CPPTYPE_UINT64: (0, 2**64 - 1),
    }
    low, high = limits.get(field.cpp_type, (0, 0))
    if field.cpp_type in limits and not low <= cast("int", value) <= high:
        raise UsageError(f"{path}: {value} is out of range; write a value from {low} to {high}")
    return value


def _enum_number(field: FieldDescriptor, value: Any, path: str) -> int:
    assert field.enum_type is not None  # noqa: S101 - the caller looked
    known = field.enum_type.values_by_name
    if not isinstance(value, str) or value not in known:
        hint = suggestion(str(value), known)
        raise UsageError(f"{path}: expected {type_name(field)}, found {value!r}{hint}")
    return known[value].number


def as_text(value: Any, path: str) -> str:
    """Converts a value of a text map to the form that Triton's backends read.

    Raises:
        UsageError: It is a list or a mapping.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise UsageError(f"{path}: expected a string, a number, true or false, found {value!r}; correct the value")
