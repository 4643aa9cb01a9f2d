"""A model's ``config.pbtxt``: immutable, edited by path, with unknown fields kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository._edit import clear_value, is_set, read_values, write_value
from autotune.repository._json import json_message, message_json
from autotune.repository._parse_error import explain, located
from autotune.repository._path import Every, Step, resolve
from autotune.repository._schema import is_list_of_messages, is_single_value, new_message, root_descriptor
from autotune.repository._text import message_lines
from autotune.repository._unknown_fields import MalformedText, Place, UnknownFields, split_unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message


def instances_of(groups: Iterable[Mapping[str, Any]]) -> int:
    """The number of instances that Triton makes of these ``instance_group`` entries.

    A group without a count makes 1. Each GPU that a group names gets its count.
    """
    return sum((int(group.get("count") or 0) or 1) * max(1, len(group.get("gpus") or ())) for group in groups)


class ModelConfig:
    """Triton's ``ModelConfig``, the content of a ``config.pbtxt``.

    Fields that the installed client's schema does not know (those of a newer Triton) are kept in place and written
    back. Comments are not kept. Two configs are equal if their texts are.

    Paths name fields as the config nests them: ``max_batch_size``,
    ``dynamic_batching.max_queue_delay_microseconds``, ``instance_group[0].count`` (``instance_group.count``
    means every group), ``parameters.intra_op_thread_count``,
    ``optimization.execution_accelerators.cpu_execution_accelerator[0].name``.

    Example:
        >>> config = ModelConfig.parse('name: "mnist"', "config.pbtxt")
        >>> config.with_value("instance_group.count", 2).value("instance_group[0].count")
        2
    """

    __slots__ = ("_message", "_text", "_unknown")

    def __init__(self, message: Message, unknown: UnknownFields) -> None:
        self._message = message
        self._unknown = unknown
        self._text = "".join(f"{line}\n" for line in message_lines(message, unknown))

    @classmethod
    def empty(cls, name: str = "") -> ModelConfig:
        """A config that sets only the model's name."""
        config = cls(new_message(), {})
        return config.with_value("name", name) if name else config

    @classmethod
    def parse(cls, text: str, source: str) -> ModelConfig:
        """Parses a config.

        Args:
            text: Protobuf text format.
            source: Name of the text's origin, for the error.

        Raises:
            UsageError: The text does not parse; the message has source, line, column and the line itself.
        """
        from google.protobuf import text_format

        message = new_message()
        try:
            known, unknown = split_unknown_fields(text, root_descriptor())
            text_format.Parse(known, message)
        except MalformedText as error:
            raise UsageError(located(error.reason, text, error.offset, source)) from error
        except text_format.ParseError as error:
            raise UsageError(explain(error, text, source)) from error
        except RecursionError:
            raise UsageError(f"{source}: is nested too deeply; a config has at most ten levels") from None
        return cls(message, unknown)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModelConfig:
        """The config in Triton's JSON form, as ``GET /v2/models/M/config`` answers; unknown fields are dropped."""
        return cls(json_message(values), {})

    def message(self) -> Message:
        """A copy of the config as a message of the client's schema, without unknown fields."""
        return self._copy()

    @property
    def unknown_fields(self) -> UnknownFields:
        """The fields that the client's schema does not know, by their place."""
        return self._unknown

    def to_text(self, header: str | None = None) -> str:
        """The config in protobuf text format, the same for equal configs.

        Args:
            header: Comment lines before the config.
        """
        if header is None:
            return self._text
        return "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines()) + self._text

    def to_json(self) -> dict[str, Any]:
        """The config as the JSON object that Triton's load request takes in place of a ``config.pbtxt``.

        Unknown fields are included; one that occurs once is a single value, not a list.
        """
        return message_json(self._message, self._unknown)

    def with_value(self, path: str, value: Any) -> ModelConfig:
        """Returns a config with one field changed; missing parent messages are created.

        Args:
            path: The field.
            value: A number, bool or text by the field's type, an enum value's name, a list for repeated fields, a
                mapping for messages. Values of text maps (``parameters``) become texts.

        Raises:
            UsageError: The path or the value's type is wrong, or another set field excludes this one.
        """
        steps = resolve(path)
        message = self._copy()
        write_value(message, steps, value, path)
        replaced = steps[-1].field.message_type is not None
        return ModelConfig(message, self._unknown_without(steps, removed=False) if replaced else self._unknown)

    def without(self, path: str) -> ModelConfig:
        """Returns a config with one field, list element, map entry or message cleared.

        Raises:
            UsageError: The path is wrong.
        """
        steps = resolve(path)
        message = self._copy()
        clear_value(message, steps)
        return ModelConfig(message, self._unknown_without(steps, removed=True))

    def value(self, path: str) -> Any:
        """The field's value: scalars as they are, enums by name, lists as tuples, messages as dicts.

        None if it is absent. If the path crosses a list: the value that all elements share, else a tuple of their
        values. A scalar that is not set has its type's default if its message is set.

        Raises:
            UsageError: The path is wrong.
        """
        values = read_values(self._message, resolve(path))
        if not values:
            return None
        return values[0] if all(value == values[0] for value in values) else tuple(values)

    def has(self, path: str) -> bool:
        """Whether the config sets the field (to something other than the default, for plain scalars).

        Raises:
            UsageError: The path is wrong.
        """
        return is_set(self._message, resolve(path))

    @property
    def name(self) -> str:
        """The model's name; empty if the config sets none."""
        return str(self.value("name"))

    @property
    def max_batch_size(self) -> int:
        """The largest batch; 0 if the model's tensors have no batch dimension, or if it is not set."""
        return int(self.value("max_batch_size"))

    @property
    def backend(self) -> str:
        """The backend's name; empty if the config sets none."""
        return str(self.value("backend"))

    @property
    def platform(self) -> str:
        """The platform's name (the older way to name a backend); empty if the config sets none."""
        return str(self.value("platform"))

    @property
    def is_onnx(self) -> bool:
        """Whether the backend or the platform is ONNX Runtime."""
        return self.backend == "onnxruntime" or self.platform == "onnxruntime_onnx"

    @property
    def instance_count(self) -> int:
        """Instances over all groups, counted for each named GPU; 0 without instance groups."""
        return instances_of(self.value("instance_group") or ())

    @property
    def dynamic_batching(self) -> bool:
        """Whether the dynamic batcher is on."""
        return self.has("dynamic_batching")

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, ModelConfig) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"ModelConfig({self._text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (ModelConfig.parse, (self._text, "config.pbtxt"))

    def _copy(self) -> Message:
        message = new_message()
        message.CopyFrom(self._message)
        return message

    def _unknown_without(self, steps: tuple[Step, ...], *, removed: bool) -> UnknownFields:
        """The unknown fields that remain when the field at the steps is replaced or removed."""
        if removed and is_single_value(steps[-1].field):
            steps = steps[:-1]  # a parameter is removed as a whole
        pattern: list[str | int | bool | Every] = []
        for step in steps:
            pattern.append(step.field.name)
            if step.selector is not None:
                pattern.append(step.selector)
        last = steps[-1]
        element = last.selector if isinstance(last.selector, int) and is_list_of_messages(last.field) else None
        kept: dict[Place, tuple[str, ...]] = {}
        for place, lines in self._unknown.items():
            if _matches(place, pattern):
                continue
            at = len(pattern) - 1
            if (
                removed
                and element is not None
                and len(place) > at
                and _matches(place, pattern[:-1])
                and _above(place[at], element)
            ):
                place = (*place[:at], int(place[at]) - 1, *place[at + 1 :])  # noqa: PLW2901 - it moved up
            kept[place] = lines
        return kept


def _matches(place: Place, pattern: list[str | int | bool | Every]) -> bool:
    return len(place) >= len(pattern) and all(
        isinstance(wanted, Every) or part == wanted for part, wanted in zip(place, pattern, strict=False)
    )


def _above(part: str | int | bool, index: int) -> bool:
    return isinstance(part, int) and part > index
