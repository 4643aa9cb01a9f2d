"""Edits the text of a person's config: fields that do not change keep their place, their form and their comments.

Comments stay, except inside a field that is replaced as a whole and on the line of a field that is removed. A field
that the text lacks comes last in its message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.repository._config import ModelConfig
from autotune.repository._schema import fields_of, is_list_of_messages, is_map, is_repeated
from autotune.repository._text import field_lines, map_lines
from autotune.repository._unknown_fields import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from autotune.repository._unknown_fields import Place

_OPENING = {"{": "}", "<": ">", "[": "]"}
_SEPARATORS = (",", ";")
_Edit = tuple[int, int, str]


def edited_text(original: str, wanted: ModelConfig) -> str:
    """The text of ``wanted``, made from another config's text with as few edits as possible.

    Raises:
        UsageError: The original text does not parse.
    """
    base = ModelConfig.parse(original, "the original config")
    try:
        text = _Editor(original, base, wanted).edited()
        same = ModelConfig.parse(text, "the edited config") == wanted
    except (_NotEditable, UsageError):
        same = False
    return text if same else wanted.to_text()


class _NotEditable(Exception):
    """The text has a form that is not edited; the config is written anew."""


@dataclass(frozen=True)
class _Body:
    """The inside of a message in the text: where it starts and ends, and its fields."""

    start: int
    end: int
    spans: Sequence[_Span]


@dataclass(frozen=True)
class _Span:
    """One field in the text, with the messages that its value holds; ``value`` is its last token."""

    name: str
    start: int
    end: int
    bodies: Sequence[_Body]
    value: str


class _Editor:
    def __init__(self, text: str, base: ModelConfig, wanted: ModelConfig) -> None:
        self._text = text
        self._base, self._wanted = base, wanted
        self._edits: list[_Edit] = []

    def edited(self) -> str:
        root = _Reader(self._text).root()
        self._message(root, self._base.message(), self._wanted.message(), ())
        text = self._text
        for start, end, new in sorted(self._edits, key=lambda edit: edit[:2], reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def _message(self, body: _Body, base: Message, wanted: Message, place: Place) -> None:
        before, after = self._base.unknown_fields, self._wanted.unknown_fields
        if before.get(place, ()) != after.get(place, ()):
            raise _NotEditable
        added: list[str] = []
        for field in fields_of(base):
            lines = field_lines(wanted, field, after, place)
            if lines == field_lines(base, field, before, place):
                continue
            spans = [span for span in body.spans if span.name == field.name]
            if not spans:
                added += lines
            elif is_map(field):
                added += self._map(field, spans, base, wanted, (*place, field.name))
            elif not self._nested(field, spans, base, wanted, (*place, field.name)):
                self._replace(spans[0], lines)
                for span in spans[1:]:
                    self._replace(span, [])
        self._append(body, added)

    def _nested(
        self, field: FieldDescriptor, spans: Sequence[_Span], base: Message, wanted: Message, place: Place
    ) -> bool:
        """Edits inside the field's messages; False if it has none, or not the same ones before and after."""
        bodies = [body for span in spans for body in span.bodies]
        before, after = getattr(base, field.name), getattr(wanted, field.name)
        if is_list_of_messages(field):
            if not len(bodies) == len(before) == len(after):
                return False
            for index, body in enumerate(bodies):
                self._message(body, before[index], after[index], (*place, index))
            return True
        if is_repeated(field) or field.message_type is None or len(bodies) != 1 or not wanted.HasField(field.name):
            return False
        self._message(bodies[0], before, after, place)
        return True

    def _map(
        self, field: FieldDescriptor, spans: Sequence[_Span], base: Message, wanted: Message, place: Place
    ) -> list[str]:
        """Edits entries; returns the lines of new ones."""
        before, after = getattr(base, field.name), getattr(wanted, field.name)
        known = set()
        for span in spans:
            names = [each.value[1:-1] for body in span.bodies for each in body.spans if each.name == "key"]
            if len(names) != 1 or names[0] not in before:
                raise _NotEditable
            known.add(key := names[0])
            new = map_lines(field, {key: after[key]}, self._wanted.unknown_fields, place) if key in after else []
            if new != map_lines(field, {key: before[key]}, self._base.unknown_fields, place):
                self._replace(span, new)
        new_entries = {key: after[key] for key in after if key not in known}
        return map_lines(field, new_entries, self._wanted.unknown_fields, place)

    def _replace(self, span: _Span, lines: Sequence[str]) -> None:
        if lines:
            self._edits.append((span.start, span.end, f"\n{self._indent(span.start)}".join(lines)))
            return
        start, end = span.start, span.end
        line_start, line_end = self._line(start)[0], self._line(end)[1]
        rest = self._text[end:line_end].lstrip(" \t,;")
        if not self._text[line_start:start].strip() and (not rest.strip() or rest.startswith("#")):
            start, end = line_start, min(line_end + 1, len(self._text))
        else:
            while end < line_end and self._text[end] in " \t,;":
                end += 1
        self._edits.append((start, end, ""))

    def _append(self, body: _Body, lines: Sequence[str]) -> None:
        if not lines:
            return
        line_start = self._line(body.end)[0]
        if body.end == len(self._text):
            gap = "" if not self._text or self._text.endswith("\n") else "\n"
            self._edits.append((body.end, body.end, gap + "".join(f"{line}\n" for line in lines)))
        elif line_start > body.start and not self._text[line_start : body.end].strip():
            indent = self._indent(body.spans[0].start) if body.spans else self._indent(body.end) + "  "
            self._edits.append((line_start, line_start, "".join(f"{indent}{line}\n" for line in lines)))
        else:
            inside = self._text[body.start : body.end]
            at = body.start + len(inside.rstrip())
            self._edits.append((at, body.end, f" {' '.join(line.strip() for line in lines)} "))

    def _line(self, offset: int) -> tuple[int, int]:
        end = self._text.find("\n", offset)
        return self._text.rfind("\n", 0, offset) + 1, len(self._text) if end < 0 else end

    def _indent(self, offset: int) -> str:
        line = self._text[self._line(offset)[0] : offset]
        return line[: len(line) - len(line.lstrip())]


class _Reader:
    """Finds the fields of a text that is known to parse."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._length = len(text)
        self._position = 0

    def root(self) -> _Body:
        spans = tuple(self._spans(""))
        return _Body(0, self._length, spans)

    def _spans(self, closing: str) -> Iterator[_Span]:
        while (token := self._peek()) != closing:
            if token in _SEPARATORS:
                self._position += 1
                continue
            if token in ("", "["):  # an extension
                raise _NotEditable
            name, start = self._take()
            if self._peek() == ":":
                self._position += 1
            bodies = tuple(self._value())
            last, offset = self._tokens[self._position - 1]
            yield _Span(name, start, offset + len(last), bodies, last)

    def _value(self) -> Iterator[_Body]:
        token, offset = self._take()
        if token == "[":  # noqa: S105 - a token of the text
            while self._peek() != "]":
                if self._peek() in _SEPARATORS:
                    self._position += 1
                else:
                    yield from self._value()
            self._position += 1
        elif token in _OPENING:
            spans = tuple(self._spans(_OPENING[token]))
            yield _Body(offset + 1, self._take()[1], spans)
        elif token == "-":  # noqa: S105 - a token of the text
            self._position += 1
        elif token[0] in "\"'":
            while self._peek()[:1] in {'"', "'"}:
                self._position += 1

    def _peek(self) -> str:
        return self._tokens[self._position][0] if self._position < len(self._tokens) else ""

    def _take(self) -> tuple[str, int]:
        if self._position >= len(self._tokens):
            raise _NotEditable
        self._position += 1
        return self._tokens[self._position - 1]
