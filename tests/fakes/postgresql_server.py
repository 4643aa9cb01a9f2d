"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket there, ended with the session."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_NUMBERS = itertools.count()


class PostgresqlServer:
    """A server that can be killed and started again."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder = folder
        self._binaries = binaries
        # PostgreSQL refuses to run as root.
        self._as = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "nobody")
            folder.chmod(0o700)
        self._run("initdb", "-D", str(folder / "data"), "-U", "tests", "--auth=trust", "--no-sync")
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", str(log), "-o", options, "-w", "start")

    def kill(self) -> None:
        """Kills every process of it, as a power cut does."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends it."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"tests{next(_NUMBERS)}"
        self._run("createdb", "-h", str(self._folder), "-U", "tests", name)
        return f"postgresql+psycopg://tests@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._binaries / program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/"
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        server = PostgresqlServer(Path(folder), found[-1])
        try:
            yield server
        finally:
            server.stop()
