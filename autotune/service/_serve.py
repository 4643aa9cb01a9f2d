"""The service's server."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from autotune.errors import UsageError
from autotune.service._application import create_application
from autotune.service._lock import only_service
from autotune.service._runner import Runner
from autotune.service._settings import ServiceSettings

_GRACE_S = 5  # for answers under way; a stream of events does not end by itself


class _Server(uvicorn.Server):
    """A server that says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            sys.stderr.write(f"autotune serves jobs on http://{shown}:{port} (Ctrl-C ends it)\n")


def serve(settings: ServiceSettings, host: str, port: int) -> None:
    """Answers requests and runs jobs until it is interrupted.

    Raises:
        UsageError: The address cannot be listened on, or another service runs the jobs of the results directory.
        KeyboardInterrupt: It was interrupted, and all runs have ended.
    """
    config = uvicorn.Config(
        create_application(settings),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--port: cannot listen on {host}:{port}: {reason}; choose another --port or --host") from None
    runner = Runner(settings)
    with listener, only_service(settings.results), _interrupted_by_all_signals():
        runner.start()
        try:
            _Server(config).run([listener])
        finally:
            sys.stderr.write("ending; jobs that run are interrupted and resume with the next start\n")
            runner.stop()


@contextmanager
def _interrupted_by_all_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP interrupt like Ctrl-C; uvicorn sends itself the signal that ended it once more.

    By default that one would end the process before its runs are. A signal that is ignored (``nohup``) stays so.
    """
    default = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for each in default:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each in default:
            signal.signal(each, signal.SIG_DFL)
