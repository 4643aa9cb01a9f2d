"""Fields of a config's text that the schema does not know, with their place.

A newer Triton has fields that the installed client's schema lacks. The protobuf parser cannot keep them, nor skip all
their forms. The text is therefore walked along the schema first. Unknown fields are collected and replaced by blanks,
so that the parser reads the rest at unchanged lines and columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autotune.repository._schema import is_map, is_repeated, map_fields

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

Place = tuple["str | int | bool", ...]
"""The place of a message: field names, each followed by its index (lists) or key (maps)."""

UnknownFields = Mapping[Place, tuple[str, ...]]
"""The lines of unknown fields, without the first level's indentation, by the place of their message."""

_SKIPPED = re.compile(r"(?:\s+|#[^\n]*)+")
_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'|[-+]?[\w.][\w.+-]*|[^\s\w]")
_WORD = re.compile(r"""[-+]?[\w.]|"|'""")
_NAME = re.compile(r"[A-Za-z_]|\[|\d+$")
_CLOSING = {"{": "}", "<": ">"}


class MalformedText(Exception):
    """The text is not protobuf text format.

    Attributes:
        reason: The error.
        offset: The position, in characters.
    """

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def split_unknown_fields(text: str, descriptor: Descriptor) -> tuple[str, dict[Place, tuple[str, ...]]]:
    """Returns the text with unknown fields replaced by blanks, and those fields.

    Args:
        text: A protobuf text format.
        descriptor: The message's type.

    Raises:
        MalformedText: The text has another structure. The parser reports errors inside known fields.
    """
    walk = _Walk(text)
    walk.message((), descriptor, end="")
    known, last = [], 0
    for start, end in walk.blanks:
        known += [text[last:start], re.sub(r"[^\n]", " ", text[start:end])]
        last = end
    return "".join([*known, text[last:]]), {place: tuple(lines) for place, lines in walk.found.items()}


class _Walk:
    """Walks the tokens of a text, collecting unknown fields on the way."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._position = 0
        self._lengths: dict[Place, int] = {}
        self.found: dict[Place, list[str]] = {}
        self.blanks: list[tuple[int, int]] = []

    def message(self, place: Place, descriptor: Descriptor, end: str) -> None:
        while self._peek() != end:
            start = self._offset()
            name = self._field_name()
            field = descriptor.fields_by_name.get(name)
            if field is not None:
                self._known(place, field)
                self._skip_separators()
                continue
            lines = self._unknown(name)
            self._skip_separators()
            self.found.setdefault(place, []).extend(lines)
            self.blanks.append((start, self._end_of_last()))
        self._take_if(end)

    def _known(self, place: Place, field: FieldDescriptor) -> None:
        self._take_if(":")
        if field.message_type is None:
            self._value_lines()
        elif self._take_if("["):
            while not self._take_if("]"):
                self._submessage(place, field)
                self._take_if(",")
        else:
            self._submessage(place, field)

    def _submessage(self, place: Place, field: FieldDescriptor) -> None:
        descriptor = field.message_type
        assert descriptor is not None  # noqa: S101 - the caller looked
        end = self._take_opening(field.name)
        here: Place = (*place, field.name)
        if is_map(field):
            self._map_entry(here, field, end)
            return
        if is_repeated(field):
            index = self._lengths.get(here, 0)
            self._lengths[here] = index + 1
            here = (*here, index)
        self.message(here, descriptor, end)

    def _map_entry(self, place: Place, field: FieldDescriptor, end: str) -> None:
        key_field, value_field = map_fields(field)
        start = self._position
        key: str | int | bool = "" if key_field.cpp_type == key_field.CPPTYPE_STRING else 0
        while self._peek() != end:  # the key may follow the value: find it first
            name = self._field_name()
            self._take_if(":")
            lines = self._value_lines()
            if name == "key":
                key = _map_key("".join(lines), key_field)
            self._skip_separators()
        if value_field.message_type is not None:
            self._position = start
            while self._peek() != end:
                name = self._field_name()
                self._take_if(":")
                if name == "value":
                    self.message((*place, key), value_field.message_type, self._take_opening("value"))
                else:
                    self._value_lines()
                self._skip_separators()
        self._take()

    def _unknown(self, name: str) -> list[str]:
        colon = self._take_if(":")
        if not colon and self._peek() not in {*_CLOSING, "["}:
            raise self._malformed(f"expected ':' or '{{' after {name!r}")
        colon = colon and self._peek() not in _CLOSING
        value = self._value_lines()
        return [f"{name}: {value[0]}" if colon else f"{name} {value[0]}", *value[1:]]

    def _value_lines(self) -> list[str]:
        """Any value, known or not, as text."""
        opening = self._peek()
        if not _WORD.match(opening) and opening not in {*_CLOSING, "[", "-"}:
            raise self._malformed("expected a value")
        quoted = opening[0] in "\"'"
        first = self._string() if quoted else self._take()
        if first in _CLOSING:
            lines = []
            while not self._take_if(_CLOSING[first]):
                lines += self._unknown(self._field_name())
                self._skip_separators()
            return ["{", *_indented(lines), "}"] if lines else ["{ }"]
        if opening == "[":
            return self._list_lines()
        if opening == "-":
            return [first + self._take()]
        while quoted and self._peek()[:1] in {'"', "'"}:
            first += " " + self._string()
        return [first]

    def _string(self) -> str:
        try:
            unescaped(self._peek())
        except ValueError:
            raise self._malformed("a string has an escape that protobuf does not know") from None
        return self._take()

    def _list_lines(self) -> list[str]:
        items = []
        while not self._take_if("]"):
            items.append(self._value_lines())
            self._take_if(",")
        if all(len(item) == 1 for item in items):
            return [f"[ {', '.join(item[0] for item in items)} ]" if items else "[ ]"]
        for item in items[:-1]:
            item[-1] += ","
        return ["[", *_indented([line for item in items for line in item]), "]"]

    def _field_name(self) -> str:
        if not _NAME.match(self._peek()):
            found = f"found {self._peek()!r}" if self._peek() else "the text ends; is a '}' or ']' missing?"
            raise self._malformed(f"expected a field's name, {found}")
        name = self._take()
        if name == "[":  # an extension
            while not name.endswith("]"):
                name += self._take()
        return name

    def _take_opening(self, name: str) -> str:
        if self._peek() not in _CLOSING:
            ends = "" if self._peek() else ", the text ends; is a '}' or ']' missing?"
            raise self._malformed(f"expected '{{' after {name!r}{ends}")
        return _CLOSING[self._take()]

    def _skip_separators(self) -> None:
        while self._peek() in {",", ";"}:
            self._position += 1

    def _peek(self) -> str:
        return self._tokens[self._position][0] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        if self._position >= len(self._tokens):
            raise self._malformed("the text ends too early")
        self._position += 1
        return self._tokens[self._position - 1][0]

    def _take_if(self, token: str) -> bool:
        if token and self._peek() == token:
            self._position += 1
            return True
        return False

    def _offset(self) -> int:
        return self._tokens[self._position][1] if self._position < len(self._tokens) else self._end_of_last()

    def _end_of_last(self) -> int:
        token, offset = self._tokens[self._position - 1] if self._position else ("", 0)
        return offset + len(token)

    def _malformed(self, reason: str) -> MalformedText:
        return MalformedText(reason, self._offset())


def tokens(text: str) -> list[tuple[str, int]]:
    """The tokens with their offsets, without comments."""
    tokens, position = [], 0
    while position < len(text):
        skipped = _SKIPPED.match(text, position)
        match = skipped or _TOKEN.match(text, position)
        assert match is not None  # noqa: S101 - any character that is not skipped is a token
        if not skipped:
            tokens.append((match[0], position))
        position = match.end()
    return tokens


def unescaped(quoted: str) -> bytes:
    """The content of a quoted string; raises `ValueError` for an escape that the parser refuses."""
    from google.protobuf import text_encoding

    return text_encoding.CUnescape(quoted[1:-1])


def _map_key(text: str, field: FieldDescriptor) -> str | int | bool:
    if field.cpp_type == field.CPPTYPE_STRING:
        parts = re.findall(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'", text)
        return b"".join(map(unescaped, parts)).decode(errors="replace")
    if field.cpp_type == field.CPPTYPE_BOOL:
        return text in {"true", "True", "t", "1"}
    try:
        return int(text, 0)
    except ValueError:
        return 0  # the parser refuses it


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
