"""Opens the database and turns what a person can fix into one line.

SQLite: write-ahead log, so that a dashboard reads while a study writes; ``BEGIN IMMEDIATE`` for each
transaction that writes, so that it waits for the lock at its start instead of failing in its middle; a busy
timeout for that wait.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from autotune.errors import AutotuneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Connection, Engine

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one."""

T = TypeVar("T")
_ATTEMPTS = 6
_PAUSE_S = 0.1

READ_ONLY = {"autotune_read_only": True}
"""Execution options of a transaction that only reads."""


def parse_url(url: str, flag: str) -> URL:
    """The URL, or a `UsageError` that names ``flag``."""
    try:
        return sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            f"{flag}: {url!r} is not a database URL; write one such as sqlite:///results/autotune.db"
        ) from None


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None for another database or one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(url.database)


def connect_arguments(url: URL) -> dict[str, Any]:
    """Arguments of the driver: the busy timeout where it is SQLite's."""
    return {"timeout": BUSY_TIMEOUT_S} if url.get_backend_name() == "sqlite" else {}


def create_engine(url: URL, flag: str) -> Engine:
    """An engine for ``url``; nothing is connected yet.

    Raises:
        UsageError: The database's driver is unknown or not installed.
    """
    try:
        engine = sqlalchemy.create_engine(url, connect_args=connect_arguments(url))
    except NoSuchModuleError:
        raise UsageError(f"{flag}: unknown kind of database {url.drivername!r}; use sqlite or postgresql") from None
    except ImportError as error:
        raise UsageError(
            f"{flag}: {url.drivername} needs the Python package {error.name}, which is not installed; "
            f"run 'pip install {error.name}'"
        ) from None
    if url.get_backend_name() == "sqlite":
        _configure_sqlite(engine)
    return engine


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions at moments of its own
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("autotune_read_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def use_write_ahead_log(engine: Engine) -> None:
    """Switches a SQLite file to its write-ahead log; the file remembers it. Other databases are left alone."""
    if engine.url.get_backend_name() != "sqlite":
        return
    connection = engine.raw_connection()  # not within a transaction
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def take_turns(connection: Connection, what: str) -> None:
    """Waits until no other transaction does the same; the lock ends with this one.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})


@contextmanager
def held(engine: Engine, what: str) -> Iterator[bool]:
    """Whether ``what`` could be locked, until the context is left or the connection is lost; PostgreSQL only."""
    with engine.connect() as connection:
        taken = sqlalchemy.text("SELECT pg_try_advisory_lock(hashtext(:what))")
        free = bool(connection.execute(taken, {"what": what}).scalar())
        connection.commit()  # the lock is the connection's
        try:
            yield free
        finally:  # not left to the connection's return to the pool
            with contextlib.suppress(SQLAlchemyError):  # a lost connection has lost the lock too
                connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock_all()"))
                connection.commit()


def patiently(create: Callable[[], T]) -> T:
    """What ``create`` returns, tried again where another process creates the same at the same time.

    Optuna creates its tables in several transactions, and SQLite does not wait for a lock when it switches to
    the write-ahead log: the second of two processes that open a new database fails, and finds it made next time.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return create()
        except (IntegrityError, OperationalError, ProgrammingError, sqlite3.OperationalError):
            time.sleep(_PAUSE_S)
    return create()


def make_directory(file: Path) -> None:
    """Creates the directory of a SQLite file.

    Raises:
        OSError: It cannot be created.
    """
    if file.parent.exists() and not file.parent.is_dir():
        raise NotADirectoryError(f"{file.parent} is not a directory")
    file.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def explained(url: URL, flag: str) -> Iterator[None]:
    """Turns an error of the database in opening it into a `UsageError` that names ``flag``."""
    shown = sqlite_file(url) or url.render_as_string(hide_password=True)
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the driver's own from `use_write_ahead_log`
        reason = _reason(error)
        if "not a database" in reason:
            raise UsageError(f"{flag}: {shown} is not a SQLite database; choose another place") from None
        raise UsageError(f"{flag}: cannot open the database {shown}: {reason}") from None
    except OSError as error:
        raise UsageError(f"{flag}: cannot open the database {shown}: {error.strerror or error}") from None


@contextmanager
def reported(url: URL) -> Iterator[None]:
    """Turns an error of the database in use into an `AutotuneError` of one line."""
    try:
        yield
    except SQLAlchemyError as error:
        shown = sqlite_file(url) or url.render_as_string(hide_password=True)
        raise AutotuneError(f"the database {shown} failed: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())
