"""A config as the JSON object that Triton's load request takes in place of a ``config.pbtxt``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.repository._schema import new_message
from autotune.repository._unknown_fields import UnknownFields, tokens, unescaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message


def message_json(message: Message, unknown: UnknownFields) -> dict[str, Any]:
    """The message as a dict by field name, including unknown fields.

    An unknown field that occurs once is read as a single value, although it may be a list.
    """
    from google.protobuf import json_format

    converted: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    for place, lines in unknown.items():
        target: Any = converted
        for part in place:
            target = target[int(part)] if isinstance(target, list) else target[_json_key(part)]
        target.update(_Fields("\n".join(lines)).fields(end=""))
    return converted


def json_message(values: Mapping[str, Any]) -> Message:
    """The message of a JSON object, such as Triton's answer of a model's config; unknown fields are dropped.

    64-bit integers may be numbers or texts.
    """
    from google.protobuf import json_format

    message = new_message()
    json_format.ParseDict(dict(values), message, ignore_unknown_fields=True)
    return message


def _json_key(key: str | int | bool) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


class _Fields:
    """Reads the text of unknown fields. Their structure was checked when they were found."""

    def __init__(self, text: str) -> None:
        self._tokens = [token for token, _ in tokens(text)]
        self._position = 0

    def fields(self, end: str) -> dict[str, Any]:
        """Fields up to ``end``; one that occurs more than once becomes a list."""
        found: dict[str, list[Any]] = {}
        while self._peek() != end:
            name = self._take()
            while name.startswith("[") and not name.endswith("]"):  # an extension
                name += self._take()
            self._skip(":")
            value = self._value()
            found.setdefault(name, []).append(value)
            self._skip(",")
        self._skip(end)
        return {name: values[0] if len(values) == 1 else values for name, values in found.items()}

    def _value(self) -> Any:
        start = self._take()
        if start == "{":
            return self.fields("}")
        if start == "[":
            items = []
            while self._peek() != "]":
                items.append(self._value())
                self._skip(",")
            self._skip("]")
            return items
        if start[0] in "\"'":
            return self._text(start)
        return _scalar(start + self._take() if start == "-" else start)

    def _text(self, start: str) -> str:
        parts = [start]
        while self._peek()[:1] in {'"', "'"}:
            parts.append(self._take())
        return b"".join(map(unescaped, parts)).decode(errors="replace")

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1]

    def _skip(self, token: str) -> None:
        if token and self._peek() == token:
            self._position += 1


def _scalar(text: str) -> bool | int | float | str:
    """A bool or a number if the text is one, else an enum value's name."""
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text.removesuffix("f"))
    except ValueError:
        return text
