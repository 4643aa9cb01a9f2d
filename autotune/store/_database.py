"""A database with Optuna's tables and ours: opened, brought up to date, read and written."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import func, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from autotune.errors import StorageFault, UsageError
from autotune.store._engine import (
    READ_ONLY,
    connect_arguments,
    create_engine,
    explained,
    held,
    is_read_only,
    make_directory,
    parse_url,
    patiently,
    take_turns,
    use_write_ahead_log,
)
from autotune.store._faults import database_file, reported, shown
from autotune.store._foreign import check_tables
from autotune.store._tables import SCHEMA_VERSION, Base, SchemaRow
from autotune.store._upgrade import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import optuna
    from sqlalchemy.engine import Engine
    from typing_extensions import Self


def database_url(results: Path) -> str:
    """The URL of the database in a results directory.

    Raises:
        UsageError: The directory's name cannot stand in a URL (a ``?``, before SQLAlchemy 2.1).
    """
    file = str(results / "autotune.db")
    url = URL.create("sqlite", database=file).render_as_string()
    if make_url(url).database != file:
        raise UsageError(f"--results: {str(results)!r} has a '?' in its name; name a directory without one")
    return url


class Database:
    """One database. Open it with `open` or `open_existing`.

    Attributes:
        url: The database's URL, without its password.
    """

    def __init__(self, engine: Engine, flag: str, url: URL) -> None:
        self._engine = engine
        self._flag = flag
        self._url = url
        self._file = _identity(database_file(url))
        self.url = url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, url: str, flag: str = "--storage") -> Self:
        """Opens the database for writing; creates it, its directory and our tables where they are missing.

        Args:
            url: A SQLAlchemy URL.
            flag: The option that chose it; named in errors.

        Raises:
            UsageError: Not a database URL, not writable, not a database, or written by a newer version.
        """
        parsed = parse_url(url, flag)
        with explained(parsed, flag):
            file = database_file(parsed)
            if file is not None:
                make_directory(file)
            engine = create_engine(parsed, flag)
            opened = cls(engine, flag, parsed)
            check_tables(engine, flag)
            patiently(lambda: use_write_ahead_log(engine))
            with engine.begin() as connection:  # one writer at a time creates the tables
                take_turns(connection, "autotune: tables")
                Base.metadata.create_all(connection)
                with Session(connection) as session:
                    if session.scalar(select(func.count()).select_from(SchemaRow)) == 0:
                        session.add(SchemaRow(version=SCHEMA_VERSION, written_by=_own_version()))
                    opened._check_version(session)
                    upgrade(session, _own_version())
                    session.commit()
        return opened

    @classmethod
    def open_existing(cls, url: str, flag: str = "--storage") -> Self:
        """Opens a database that must be there already; creates nothing.

        Raises:
            UsageError: There is none, it holds no study of ours, or a newer version wrote it.
        """
        parsed = parse_url(url, flag)
        file = database_file(parsed)
        if file is not None and not file.is_file():
            raise UsageError(f"{flag}: there is no database {file}; 'autotune run' creates one")
        with explained(parsed, flag):
            read_only = file is not None and is_read_only(file)
            engine = create_engine(parsed, flag, read_only=read_only)
            if not inspect(engine).has_table(SchemaRow.__tablename__):
                raise UsageError(f"{flag}: {file or parsed.render_as_string()} holds no results of autotune")
            opened = cls(engine, flag, parsed)
            with opened.reading() as session:
                version = opened._check_version(session)
            if version < SCHEMA_VERSION and read_only:
                raise UsageError(
                    f"{flag}: {shown(parsed)} is of an earlier version (schema {version}) and must be upgraded, but it"
                    " is read-only; copy it to a writable place"
                )
            if version < SCHEMA_VERSION:
                with Session(engine) as session, session.begin():
                    upgrade(session, _own_version())
        return opened

    @property
    def directory(self) -> Path | None:
        """The directory of a SQLite file; None for another database."""
        file = database_file(self._url)
        return file.parent if file else None

    @contextmanager
    def exclusive(self, study: str) -> Iterator[None]:
        """Holds a study against coordinators on other machines until the context is left; for PostgreSQL only.

        The server lets go of it for a dead process. A database that is a file has a lock beside it instead.

        Raises:
            UsageError: Another process runs the study.
        """
        if self._engine.dialect.name != "postgresql":
            yield
            return
        with held(self._engine, f"autotune: {study}") as free:
            if not free:
                raise UsageError(
                    f"--study: another process is running study {study!r}; wait for it or choose another --study"
                )
            yield

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def optuna_storage(self) -> optuna.storages.RDBStorage:
        """Optuna's storage in the same database.

        Raises:
            UsageError: Optuna's tables there are of another, incompatible version of Optuna.
        """
        import optuna

        def create() -> optuna.storages.RDBStorage:
            return optuna.storages.RDBStorage(
                self._engine.url.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": connect_arguments(self._engine.url)},
            )

        with explained(self._url, self._flag):
            try:
                return patiently(create)
            except RuntimeError as error:
                raise UsageError(f"{self._flag}: {' '.join(str(error).split())}") from None

    def in_use(self) -> AbstractContextManager[None]:
        """Turns errors of the database, Optuna's too, into an `AutotuneError` of one line with the remedy."""
        return reported(self._url)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction; raises `AutotuneError` of one line where the database fails."""
        self._check_file()
        with reported(self._url), Session(self._engine) as session, session.begin():
            yield session
        self._check_file()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads; raises `AutotuneError` of one line where the database fails."""
        with reported(self._url), Session(self._engine.execution_options(**READ_ONLY)) as session:
            yield session

    def _check_version(self, session: Session) -> int:
        version = session.scalar(select(func.max(SchemaRow.version)))
        if version is None:
            return SCHEMA_VERSION
        if not isinstance(version, int) or version < 1:
            raise UsageError(
                f"{self._flag}: {self.url} claims schema {version!r}, which no version wrote; restore a copy"
            )
        if version > SCHEMA_VERSION:
            raise UsageError(
                f"{self._flag}: {self.url} was written by a newer autotune (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update triton-autotune or choose another --results"
            )
        return version

    def _check_file(self) -> None:
        """Raises `StorageFault` if the file of a SQLite database is another one by now: SQLite would not notice."""
        self._file = self._file or _identity(database_file(self._url))
        if self._file is not None and _identity(database_file(self._url)) != self._file:
            raise StorageFault(
                f"the database {shown(self._url)} was removed or replaced while it was in use; put it back, then the"
                " same command resumes"
            )


def _identity(file: Path | None) -> tuple[int, int] | None:
    """Device and inode of a file; None if there is none."""
    if file is None or not file.exists():
        return None
    found = file.stat()
    return found.st_dev, found.st_ino


def _own_version() -> str:
    from importlib.metadata import version

    return version("triton-autotune")
