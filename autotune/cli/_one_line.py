"""Errors as one line that is safe to show."""

from __future__ import annotations

import re

from autotune.passwords import without_passwords

_LONG_WORD = re.compile(r"[^ ]{400,}")  # a path, a number or base64; a terminal shows some lines of it
_SHOWN = 150


def one_line(message: str) -> str:
    """The message without line breaks and control characters, without passwords of URLs, and with long words cut."""
    text = "".join(each if each.isprintable() else " " if each.isspace() else ascii(each)[1:-1] for each in message)
    return _LONG_WORD.sub(_cut, without_passwords(text))


def _cut(word: re.Match[str]) -> str:
    return f"{word[0][:_SHOWN]}...{word[0][-_SHOWN // 2 :]}"
