"""Launching a ``tritonserver`` binary as a child process; embedded and local modes share it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autotune.errors import UsageError
from autotune.server._arguments import triton_arguments
from autotune.server._autocomplete import needs_completion
from autotune.server._belongings import new_prefix, remove_shared_memory
from autotune.server._control import ControlClient
from autotune.server._options import LaunchOptions
from autotune.server._ports import LOOPBACK, Ports, pick_ports
from autotune.server._process import ServerProcess
from autotune.server._readiness import ReadyServer, await_ready
from autotune.server._reason import exit_text, last_words, load_reason, ports_clashed
from autotune.server._types import Endpoint, LoadFailed, ServerCrashed

# Another process may take a port between our choosing and Triton's binding it.
_PORT_ATTEMPTS = 3


class PortsTaken(Exception):
    """The server ended because someone took a port we had chosen."""


@dataclass(frozen=True)
class Binary:
    """A ``tritonserver`` and what it needs to run.

    Attributes:
        command: The command and leading arguments.
        environment: Its whole environment.
    """

    command: Sequence[str]
    environment: Mapping[str, str]


@contextmanager
def launch_process(
    binary: Binary, options: LaunchOptions, repository: Path, model: str, log_path: Path
) -> Iterator[ReadyServer]:
    """A ready server of ``binary`` until the context is left; raises as `Launcher.launch`."""
    prefix = new_prefix()
    complete_config = needs_completion(repository, model)
    started = time.monotonic()
    process: ServerProcess | None = None
    try:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            ports = pick_ports(options.http_port, options.grpc_port)
            process = _start(binary, options, repository, model, log_path, ports, prefix, complete_config)
            watch = _Watch(process, log_path, model)
            try:
                _await(watch, prefix, ports, model, options.start_timeout_s)
                break
            except PortsTaken:
                process.stop(0)
                if attempt == _PORT_ATTEMPTS or not ports.chosen:
                    raise ServerCrashed(f"a port was taken while it started: {watch.words()}") from None
        watch.ready = True
        yield ReadyServer(
            endpoint=Endpoint(LOOPBACK, ports.http, ports.grpc),
            model=model,
            startup_s=time.monotonic() - started,
            log_path=log_path,
            alive=watch.check,
        )
    finally:
        if process is not None:
            process.stop(options.stop_grace_s)
        remove_shared_memory(prefix)


def _start(
    binary: Binary,
    options: LaunchOptions,
    repository: Path,
    model: str,
    log_path: Path,
    ports: Ports,
    prefix: str,
    complete_config: bool,
) -> ServerProcess:
    arguments = triton_arguments(
        server_id=prefix.rstrip("-"),
        repository=str(repository),
        model=model,
        address=LOOPBACK,
        ports=ports,
        stop_grace_s=options.stop_grace_s,
        complete_config=complete_config,
        extra=(f"--backend-config=python,shm-region-prefix-name={prefix}", *options.triton_args),
    )
    try:
        return ServerProcess([*binary.command, *arguments], binary.environment, log_path)
    except OSError as error:
        raise UsageError(f"--triton-path: cannot start {binary.command[0]}: {error.strerror or error}") from None


def _await(watch: _Watch, prefix: str, ports: Ports, model: str, timeout_s: float) -> None:
    await_ready(ControlClient(LOOPBACK, ports.http), prefix.rstrip("-"), model, timeout_s, watch.check)


class _Watch:
    """Says how a process ended: while starting, a refused load; later, a crash."""

    def __init__(self, process: ServerProcess, log_path: Path, model: str) -> None:
        self._process = process
        self._log_path = log_path
        self._model = model
        self.ready = False

    def check(self) -> None:
        """Raises where the process has ended."""
        returncode = self._process.returncode()
        if returncode is None:
            return
        log = self._log()
        if self.ready:
            raise ServerCrashed(f"the server ended ({exit_text(returncode)}): {last_words(log)}")
        if ports_clashed(log):
            raise PortsTaken
        reason = load_reason(log)
        if reason and returncode > 0:
            raise LoadFailed(reason)
        raise ServerCrashed(f"the server ended while starting ({exit_text(returncode)}): {reason or last_words(log)}")

    def words(self) -> str:
        """The last words of its log."""
        return last_words(self._log())

    def _log(self) -> str:
        return self._log_path.read_text(errors="replace")
