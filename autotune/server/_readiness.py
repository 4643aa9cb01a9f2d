"""Waits until a server is ready; the ready server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from autotune.environment import MemoryKills
from autotune.server._control import ControlClient, ControlError, Unreachable
from autotune.server._model_processes import ModelProcesses
from autotune.server._reason import compact
from autotune.server._types import Endpoint, LoadFailed, ModelStatistics, ServerCrashed, StartTimedOut
from autotune.server._usage import ServerUsage, usage_of

_POLL_S = 0.01
# Another process on the port may accept and never answer, while our server has ended.
_ANSWER_S = 1.0

Answer = TypeVar("Answer")


def await_ready(
    control: ControlClient, server_id: str, model: str, timeout_s: float, check_alive: Callable[[], None]
) -> None:
    """Returns when the server ``server_id`` has ``model`` ready.

    Args:
        control: Client of the server's HTTP port.
        server_id: Its ``--id``, which distinguishes it from another server on the same port.
        model: The model that it loads.
        timeout_s: Seconds that the start may take.
        check_alive: Raises if the server has ended.

    Raises:
        LoadFailed: The server is up and the model is not.
        StartTimedOut: The server was not ready in time.
    """
    control = replace(control, timeout_s=_ANSWER_S)
    deadline = time.monotonic() + timeout_s
    while True:
        check_alive()
        try:
            if control.ready() and control.metadata().get("name") == server_id and control.model_ready(model):
                return
            _check_loadable(control, server_id, model)
        except Unreachable:
            pass
        if time.monotonic() > deadline:
            raise StartTimedOut(f"not ready after {timeout_s:g} s; see its log, or give it longer with --start-timeout")
        time.sleep(_POLL_S)


def _check_loadable(control: ControlClient, server_id: str, model: str) -> None:
    """Raises `LoadFailed` if the server stays up without the model (``--exit-on-error=false``)."""
    try:
        if control.metadata().get("name") != server_id:
            return
        for entry in control.index():
            if entry.get("name") == model and entry.get("state") == "UNAVAILABLE" and entry.get("reason"):
                raise LoadFailed(compact(entry["reason"]))
    except ControlError:
        return


@dataclass(frozen=True)
class ReadyServer:
    """A `RunningServer` that answers at ``endpoint``.

    Attributes:
        endpoint: The address for clients.
        model: The loaded model.
        startup_s: Seconds from launch to ready.
        log_path: The log file; None for a remote server.
        alive: Raises `ServerCrashed` if the server has ended.
        pid: The server's first process; None if it is not visible on this machine.
        processes: The watch of its model processes; None if they are not visible.
    """

    endpoint: Endpoint
    model: str
    startup_s: float
    log_path: Path | None
    alive: Callable[[], None]
    pid: int | None = None
    processes: ModelProcesses | None = None

    @property
    def control(self) -> ControlClient:
        """The client of its control plane."""
        return ControlClient(self.endpoint.host, self.endpoint.http_port)

    def metadata(self) -> dict[str, object]:
        """See `RunningServer`."""
        return self._ask(self.control.metadata)

    def model_metadata(self, model: str = "") -> dict[str, object]:
        """See `RunningServer`."""
        return self._ask(lambda: self.control.model_metadata(model or self.model))

    def model_config(self, model: str = "") -> dict[str, object]:
        """See `RunningServer`."""
        return self._ask(lambda: self.control.model_config(model or self.model))

    def statistics(self, model: str = "") -> ModelStatistics:
        """See `RunningServer`."""
        return self._ask(lambda: self.control.statistics(model or self.model))

    def usage(self) -> ServerUsage | None:
        """See `RunningServer`."""
        if self.pid is None:
            return None
        used = usage_of(self.pid)
        if used is None:
            self.alive()
        return used

    def check_alive(self) -> None:
        """See `RunningServer`."""
        self.alive()
        if self.processes is not None:
            self.processes.check()

    @property
    def model_died(self) -> bool:
        """See `RunningServer`."""
        return self.processes is not None and self.processes.died

    @contextmanager
    def watching_model(self, kills: MemoryKills | None, remedy: str = "") -> Iterator[ReadyServer]:
        """This server with a watch of its model processes, if they are visible; see `ModelProcesses`."""
        if self.pid is None or kills is None:
            yield self
            return
        processes = ModelProcesses(self.pid, self.model, self.control.statistics, kills, remedy)
        try:
            yield replace(self, processes=processes)
        finally:
            processes.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except ControlError as error:
            self.alive()  # raises the reason if the server has ended
            raise ServerCrashed(f"the server runs but no longer serves: {compact(str(error))}") from None
