"""A container that runs one server; removal of containers that dead studies left."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.server import _container_keeper
from autotune.server._belongings import Leftover, pid_namespace, process_alive, started_at
from autotune.server._ended import why_ended
from autotune.server._types import ServerCrashed
from autotune.server._uninterrupted import uninterrupted
from autotune.server._usage import runs_argument

LABEL = "autotune"
_ENGINE = "unix:///var/run/docker.sock"
RAISE_MEMORY = "raise --memory"
# Interval of asking the engine whether the container runs; HTTP is polled more often.
_INSPECT_EVERY_S = 0.1
_CREATION_S = 1.0
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.-]")


def orphaned_containers(client: Any) -> Iterator[Leftover]:
    """Containers whose creator, on this host and in this PID namespace, is dead."""
    for container in client.containers.list(all=True, filters={"label": f"{LABEL}=1"}, ignore_removed=True):
        labels = container.labels
        mine = labels.get(f"{LABEL}.host") == platform.node()
        mine = mine and labels.get(f"{LABEL}.pid-namespace") == pid_namespace()
        pid, started = (labels.get(f"{LABEL}.{each}", "") for each in ("pid", "started"))
        if mine and pid.isdigit() and not process_alive(int(pid), int(started) if started.isdigit() else None):
            yield Leftover("container", container.name, functools.partial(_remove, container))


def remove_orphaned_containers(client: Any) -> None:
    """Removes the `orphaned_containers`."""
    for each in orphaned_containers(client):
        each.remove()


def _remove(container: Any) -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # already removed
        container.remove(force=True, v=True)


class Container:
    """One container. It reports how it ended, saves its log, and is always removed."""

    def __init__(self, client: Any, log_path: Path) -> None:
        self._client = client
        self._log_path = log_path
        self._name = ""
        self._container: Any = None
        self._control: socket.socket | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._asked = 0.0
        self.ready = False

    def start(self, image: Any, command: list[str], model: str, settings: dict[str, Any]) -> None:
        """Creates and starts it.

        Raises:
            UsageError: The engine refuses the settings.
            ServerCrashed: The engine no longer answers.
        """
        self._name = f"autotune-{_NOT_IN_NAMES.sub('-', model)[:60]}-{secrets.token_hex(4)}"
        self._keep()
        try:
            with _engine_words():
                self._container = self._client.containers.create(
                    image.id, command, name=self._name, labels=_labels(model), **settings
                )
                self._container.start()
        except UsageError:
            if not self._container:
                self._name = ""
                self._let_go()
            raise

    def check(self) -> None:
        """`check_now`, but asks the engine only every 0.1 s."""
        if time.monotonic() - self._asked >= _INSPECT_EVERY_S:
            self.check_now()
            self._asked = time.monotonic()

    def check_now(self) -> None:
        """Raises if the container has ended: while starting, a refused load; later, a crash."""
        from docker.errors import DockerException, NotFound

        try:
            self._container.reload()
            state = self._container.attrs["State"]
            if state["Status"] not in ("exited", "dead"):
                return
            log = self._container.logs().decode(errors="replace")
        except NotFound:
            raise ServerCrashed("the container was removed by someone else") from None
        except (DockerException, OSError) as error:
            raise _gone(error) from None
        lack = f"out of memory; {RAISE_MEMORY}" if state.get("OOMKilled") else ""
        raise why_ended(int(state["ExitCode"]), log, ready=self.ready, lack=lack)

    def wait(self) -> tuple[int, str]:
        """Waits for its end; returns the exit code and the log.

        Raises:
            ServerCrashed: The engine no longer answers.
        """
        from docker.errors import DockerException

        try:
            code = int(self._container.wait()["StatusCode"])
            return code, self._container.logs().decode(errors="replace")
        except (DockerException, OSError) as error:
            raise _gone(error) from None

    def pid(self, argument: str) -> int | None:
        """The id of its first process; None if it is not on this machine (remote engine or virtual machine).

        Args:
            argument: A word that only this process has on its command line.

        Raises:
            ServerCrashed: The container has ended.
        """
        self.check_now()
        pid = int(self._container.attrs["State"].get("Pid") or 0)
        return pid if pid and runs_argument(pid, argument) else None

    def remove(self, grace_s: float) -> None:
        """Stops the container, saves its log, and removes it with its anonymous volumes; safe to call twice.

        Raises:
            ServerCrashed: The engine no longer answers; the next study removes the container.
        """
        from docker.errors import DockerException, NotFound

        name, self._name = self._name, ""
        container, self._container = self._container, None
        if not name:
            return
        try:
            container = container or self._find(name)
            try:
                self._end(container, grace_s)
            finally:
                container.remove(force=True, v=True)
        except NotFound:
            pass
        except (DockerException, OSError) as error:
            if "in progress" not in str(error):
                raise _gone(error) from None
        self._let_go()

    def _keep(self) -> None:
        """Starts what removes the container if this process is killed."""
        address = os.environ.get("DOCKER_HOST") or _ENGINE
        if not address.startswith("unix://"):  # a named pipe of Windows
            return
        with uninterrupted():
            self._control, theirs = socket.socketpair()
            with theirs:
                script = [sys.executable, "-I", "-S", _container_keeper.__file__, str(theirs.fileno())]
                self._keeper = subprocess.Popen(
                    [*script, address.removeprefix("unix://"), self._name],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    pass_fds=[theirs.fileno()],
                )

    def _let_go(self) -> None:
        keeper, control = self._keeper, self._control
        self._keeper = self._control = None
        if keeper is not None and control is not None:
            with control, contextlib.suppress(OSError):
                control.sendall(_container_keeper.DONE)
            keeper.wait()

    def _find(self, name: str) -> Any:
        """The container whose creation was interrupted. The engine may finish creating it a little later."""
        from docker.errors import NotFound

        deadline = time.monotonic() + _CREATION_S
        while True:
            try:
                return self._client.containers.get(name)
            except NotFound:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_INSPECT_EVERY_S)

    def _end(self, container: Any, grace_s: float) -> None:
        from docker.errors import APIError

        with contextlib.suppress(APIError):  # it ended by itself; if it was removed, its log is gone
            if grace_s > 0:
                container.stop(timeout=max(1, round(grace_s)))
            else:
                with contextlib.suppress(APIError):
                    container.kill()
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            with self._log_path.open("wb") as log:
                for chunk in container.logs(stream=True):
                    log.write(chunk)


def _labels(model: str) -> dict[str, str]:
    """Labels that name the model, the creating process, its namespace and its host."""
    return {
        LABEL: "1",
        f"{LABEL}.model": model,
        f"{LABEL}.pid": str(os.getpid()),
        f"{LABEL}.started": str(started_at(os.getpid()) or ""),
        f"{LABEL}.pid-namespace": pid_namespace(),
        f"{LABEL}.host": platform.node(),
    }


@contextmanager
def _engine_words() -> Iterator[None]:
    """Raises what the engine refuses, in its words."""
    from docker.errors import APIError, DockerException

    try:
        yield
    except (APIError, ValueError) as error:
        words = " ".join(str(getattr(error, "explanation", None) or error).split())
        flag = "--cpuset-cpus" if "Requested CPUs" in words else "--launch docker"
        raise UsageError(f"{flag}: {words}") from None
    except (DockerException, OSError) as error:
        raise _gone(error) from None


def _gone(error: Exception) -> ServerCrashed:
    return ServerCrashed(f"the Docker engine no longer answers: {' '.join(str(error).split())}")
