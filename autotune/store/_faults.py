"""What fails in a database, in one line with the remedy."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from autotune.errors import AutotuneError, StorageFault

_RESUME = "then the same command resumes"
_PASSING = {
    "database is locked": f"another process has it locked; end that process, {_RESUME}",
    "database or disk is full": f"make room on the disk, {_RESUME}",
    "disk i/o error": f"the disk is full or damaged; make room or check it, {_RESUME}",
    "readonly database": f"make the file and its directory writable, {_RESUME}",
    "connection": f"start the database server again, {_RESUME}",
    "server closed": f"start the database server again, {_RESUME}",
    "terminating": f"start the database server again, {_RESUME}",
    "starting up": "wait until the database server has started, then repeat the command",
}
"""What may pass by itself or is mended without another command, by the words of SQLite and PostgreSQL."""
_LASTING = {
    "malformed": "restore a copy of it, or choose another --results",
    "no such table": "restore a copy of it, or choose another --results",
    "no such column": "restore a copy of it, or choose another --results",
}
_IN_ROWS = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, struct.error, zlib.error)


def database_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for another database or one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def shown(url: URL) -> str:
    """The database in words: its file, or its URL without the password."""
    return str(database_file(url) or url.render_as_string(hide_password=True))


def reason_of(error: BaseException) -> str:
    """The driver's words on one line."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def passes(error: BaseException) -> bool:
    """Whether a fault may pass, or is mended outside this program."""
    return any(words in reason_of(error).lower() for words in _PASSING)


def remedy(error: BaseException) -> str:
    """What to do; empty if nothing is known."""
    found = reason_of(error).lower()
    return next((text for words, text in (_PASSING | _LASTING).items() if words in found), "")


@contextmanager
def reported(url: URL) -> Iterator[None]:
    """Turns an error of the database in use, Optuna's too, into an `AutotuneError` of one line.

    Raises:
        StorageFault: If it may pass, or is mended outside this program.
    """
    try:
        yield
    except Exception as error:
        cause = _database_error(error)
        if cause is None:
            raise
        do = remedy(cause)
        kind = StorageFault if passes(cause) else AutotuneError
        raise kind(f"the database {shown(url)} failed: {reason_of(cause)}{'; ' if do else ''}{do}") from error


def _database_error(error: BaseException) -> BaseException | None:
    """The database's own error behind one of Optuna; None if it is none."""
    if isinstance(error, SQLAlchemyError | sqlite3.Error):
        return error
    if type(error).__name__ == "StorageInternalError":  # Optuna is not imported for this
        return error.__cause__ or error
    return None


@contextmanager
def readable(study: str, url: URL) -> Iterator[None]:
    """Turns rows that do not hold what they should into an `AutotuneError` that names the study."""
    try:
        yield
    except _IN_ROWS as error:
        raise AutotuneError(
            f"study {study!r} in {shown(url)} cannot be read: a row is damaged ({type(error).__name__}: {error});"
            " other studies can; restore a copy of the database"
        ) from error
