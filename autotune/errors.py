"""Errors a person can fix.

Every error of the product that reaches the command line is one line that names the flag or file at
fault, says what was found and what to do. The exit code is part of the type.
"""

from __future__ import annotations

from autotune.passwords import without_passwords


class AutotuneError(Exception):
    """An error with a message fit for a person, without passwords; ends a command with ``exit_code``."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(without_passwords(message))


class StorageFault(AutotuneError):
    """The database cannot be used at the moment; once it can, the same command resumes."""

    exit_code = 5


class UsageError(AutotuneError):
    """The request itself is at fault (flag, file, environment): nothing was started or written."""

    exit_code = 2
