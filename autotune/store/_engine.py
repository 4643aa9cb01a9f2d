"""Opens the database and turns what a person can fix into one line.

SQLite: write-ahead log, so that a dashboard reads while a study writes; ``BEGIN IMMEDIATE`` for each
transaction that writes, so that it waits for the lock at its start instead of failing in its middle; a busy
timeout for that wait.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

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
from autotune.store._faults import database_file, passes, reason_of, remedy, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL, Connection, Engine

BUSY_TIMEOUT_S = 90.0
"""How long a writer waits for another one, such as a backup (a guess: more than a minute)."""

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


def connect_arguments(url: URL) -> dict[str, Any]:
    """Arguments of the driver: the busy timeout where it is SQLite's."""
    return {"timeout": BUSY_TIMEOUT_S} if url.get_backend_name() == "sqlite" else {}


def create_engine(url: URL, flag: str, *, read_only: bool = False) -> Engine:
    """An engine for ``url``; nothing is connected yet.

    Args:
        url: The database.
        flag: The option that chose it.
        read_only: Whether nothing can be written where its file is; SQLite would create files beside it.

    Raises:
        UsageError: The database's driver is unknown or not installed.
    """
    try:
        engine = sqlalchemy.create_engine(_unchanging(url) if read_only else url, connect_args=connect_arguments(url))
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


def is_read_only(file: Path) -> bool:
    """Whether a database's file or its directory cannot be written."""
    return not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK))


def _unchanging(url: URL) -> URL:
    """The URL of a SQLite file that is only read.

    Without a write-ahead log nothing can change, and nothing is created beside it. A log is read if SQLite can.
    """
    file = Path(str(url.database)).absolute()
    log = file.with_name(f"{file.name}-wal")
    pending = log.exists() and log.stat().st_size > 0
    query = {"mode": "ro", "uri": "true"} if pending else {"mode": "ro", "immutable": "1", "uri": "true"}
    return url.set(database=f"file:{quote(str(file))}", query=query)


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
        OSError: It cannot be created, or the file is something else.
    """
    if file.parent.exists() and not file.parent.is_dir():
        raise NotADirectoryError(f"{file.parent} is not a directory")
    if file.exists() and not file.is_file():
        raise FileExistsError(f"{file} is no regular file")
    file.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def explained(url: URL, flag: str) -> Iterator[None]:
    """Turns an error of the database in opening it into one that names ``flag``: a `UsageError`, unless it may pass."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:  # the driver's own from `use_write_ahead_log`
        reason = reason_of(error)
        if "not a database" in reason:
            raise UsageError(f"{flag}: {shown(url)} is not a SQLite database; choose another place") from None
        do = remedy(error) or "choose another place, or restore a copy"
        kind = AutotuneError if passes(error) and database_file(url) else UsageError
        raise kind(f"{flag}: cannot open the database {shown(url)}: {reason}; {do}") from None
    except OSError as error:
        kind = AutotuneError if error.errno in (errno.ENOSPC, errno.EDQUOT) else UsageError
        raise kind(f"{flag}: cannot open the database {shown(url)}: {error.strerror or error}") from None
