"""Passwords in URLs are never shown."""

from __future__ import annotations

import re

# scheme://user:password@host, where a password may have an @ itself; and user:password@host without a scheme
_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^/\s]*@|((?:^|[\s'\"=])[\w.-]+:)[^@/\s:]+@")


def without_passwords(text: str) -> str:
    """The text with ``***`` for each password in a URL."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***@", text)
