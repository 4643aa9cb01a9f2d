"""Reads files that a person names, within bounds: nothing hangs, fills the memory or nests without end."""

from autotune.reading._file import LONGEST_NAME, Unreadable, read_bytes, read_text, reason
from autotune.reading._json import NESTED_TOO_DEEPLY, parse_json
from autotune.reading._yaml import BoundedLoader, parse_yaml, read_yaml

__all__ = [
    "LONGEST_NAME",
    "NESTED_TOO_DEEPLY",
    "BoundedLoader",
    "Unreadable",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_text",
    "read_yaml",
    "reason",
]
