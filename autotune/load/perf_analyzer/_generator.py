"""perf_analyzer behind the interface of every load generator."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.load._generator import LoadGeneratorFailed
from autotune.load._schedule import OpenLoop, check_schedule
from autotune.load.perf_analyzer._command import (
    INPUT_DATA,
    INTERVALS,
    REPORT,
    PerfAnalyzerOptions,
    command,
    intervals,
    load_arguments,
)
from autotune.load.perf_analyzer._failures import failures, last_words, nothing_completed
from autotune.load.perf_analyzer._input_data import input_data
from autotune.load.perf_analyzer._outcome import measured, nothing_measured, unanswered
from autotune.load.perf_analyzer._process import run_bounded
from autotune.load.perf_analyzer._report import PerfAnalyzerReport, read_report
from autotune.server import ControlClient, ControlError, Unreachable
from autotune.server._belongings import new_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._watch import Watch
    from autotune.load.payload import Payload
    from autotune.load.perf_analyzer._process import Ended
    from autotune.server import Endpoint

_PROTOCOLS = ("http", "grpc")


class PerfAnalyzerGenerator:
    """Runs perf_analyzer once for each window; see `autotune.load.LoadGenerator`.

    Differences from the built-in generators, because perf_analyzer reports no more:

    - Latency runs from the *actual* send in open loop too: it does not record when a request was due. A stalled
      server hides a part of its queue (coordinated omission), and lateness is zero throughout.
    - A result holds the requests *answered* in the window, and the window is the one that perf_analyzer measured:
      a little longer than asked, and as long as the server does not answer its questions about statistics.
    - At the first failed request it stops (once a third of the time has passed, or two) and exports nothing: the
      result holds the failures alone.
    - In an open loop that it or the server could not keep up with, the missing requests are counted as ``unsent``
      and ``timeout`` by the rate at which it says it sent; see `autotune.load.LoadResult.errors`.
    - A rate's requests are sent by a schedule's own times, in whole microseconds, the warm-up's first. A watch is
      ignored: it cannot end early.
    - It keeps every input and output value of every request in memory and writes them out after the window, for
      large tensors many times longer than the window: `run` takes that much longer than duration and timeout. A run
      is ended when it needs more than half of the free memory.

    Not safe for concurrent use by several threads.

    Attributes:
        protocol: ``http`` or ``grpc``.
        pids: Empty: between two runs there is no process, and a run's is waited for, so that its CPU time counts among
            this process's children.
        report: perf_analyzer's own figures of the last run, warm-up included; None where it gave none.
    """

    pids: tuple[int, ...] = ()

    def __init__(
        self,
        binary: Path,
        endpoint: Endpoint,
        protocol: str,
        payloads: Sequence[Payload],
        options: PerfAnalyzerOptions = PerfAnalyzerOptions(),  # noqa: B008 - frozen
    ) -> None:
        """Starts nothing.

        Args:
            binary: From `find_perf_analyzer`.
            endpoint: The server; its HTTP port is asked whether the model batches, whatever the protocol.
            protocol: ``http`` or ``grpc``.
            payloads: Requests to send in turn, all of one model and one batch size.
            options: How to run it.

        Raises:
            UsageError: An unknown protocol, or payloads of several models or batch sizes.
        """
        if protocol not in _PROTOCOLS:
            raise UsageError(f"--protocol: perf_analyzer does not speak {protocol!r}; use {' or '.join(_PROTOCOLS)}")
        if len({(payload.model, payload.batch_size) for payload in payloads}) != 1:
            raise UsageError("--client perf_analyzer: all requests must have one model and one batch size")
        self.protocol = protocol
        self.report: PerfAnalyzerReport | None = None
        self._binary = binary
        self._endpoint = endpoint
        self._payloads = tuple(payloads)
        self._options = options
        self._batched: bool | None = None
        self._closed = False

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run` and the class for what differs.

        Args:
            schedule: A closed loop, or a rate of any spacing.
            duration_s: The window, after a warm-up of its own.
            timeout_s: How much longer a server may take that does not answer; then perf_analyzer is ended.
            watch: Ignored.

        Raises:
            UsageError: A schedule that perf_analyzer cannot offer.
            LoadGeneratorFailed: perf_analyzer itself failed.
        """
        check_schedule(schedule, duration_s)
        load = load_arguments(schedule, self._options)
        if self._closed:
            raise LoadGeneratorFailed("the load generator was closed; create another one")
        self.report = None
        model, batch_size = self._payloads[0].model, self._payloads[0].batch_size
        started = time.monotonic()
        try:
            batched = self._model_batches(max(1.0, timeout_s))
        except ControlError as error:
            kind = "unreachable" if isinstance(error, Unreachable) else "http error"
            elapsed_s = time.monotonic() - started
            return nothing_measured(schedule, duration_s, batch_size, [(kind, str(error))], elapsed_s)
        limit_s = self._options.start_limit_s + self._options.warmup_s + duration_s + timeout_s
        with tempfile.TemporaryDirectory(prefix=f"{new_prefix()}perf_analyzer-") as folder:
            directory = Path(folder)
            (directory / INPUT_DATA).write_text(input_data(self._payloads, batched=batched))
            if isinstance(schedule, OpenLoop):
                (directory / INTERVALS).write_text(intervals(schedule, duration_s, self._options))
            line = command(
                self._binary,
                model=model,
                protocol=self.protocol,
                address=self._address(),
                batch_size=batch_size,
                load=load,
                duration_s=duration_s,
                options=self._options,
            )
            try:
                ended = run_bounded(line, directory, limit_s, self._options.export_limit_s)
            except OSError as error:
                raise LoadGeneratorFailed(f"{self._binary} cannot be started: {error.strerror}") from error
            if ended.returncode == 0 and (directory / REPORT).exists():
                self.report = next(iter(read_report(directory / REPORT)), None)
        return self._result(schedule, duration_s, batch_size, ended, time.monotonic() - started)

    def close(self) -> None:
        """Nothing is running between two runs; none can be started any more. Safe to call twice."""
        self._closed = True

    def _model_batches(self, timeout_s: float) -> bool:
        """Whether the first dimension of the inputs is the batch, which perf_analyzer wants to be left out.

        Tensors alone do not distinguish it from any other dimension of size 1.
        """
        if self._batched is None:
            control = ControlClient(self._endpoint.host, self._endpoint.http_port, timeout_s)
            max_batch_size = control.model_config(self._payloads[0].model).get("max_batch_size", 0)
            self._batched = int(str(max_batch_size)) > 0
        return self._batched

    def _address(self) -> str:
        host = self._endpoint.host
        port = self._endpoint.http_port if self.protocol == "http" else self._endpoint.grpc_port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _result(
        self, schedule: Schedule, duration_s: float, batch_size: int, ended: Ended, elapsed_s: float
    ) -> LoadResult:
        if ended.cause == "memory":
            raise LoadGeneratorFailed(
                "perf_analyzer took more than half of the free memory, because it keeps every value of every request;"
                " use a shorter window, smaller inputs or --client autotune"
            )
        if ended.cause == "export":
            raise LoadGeneratorFailed(
                f"perf_analyzer was still writing out its requests after {elapsed_s:.0f} s;"
                " use a shorter window, smaller inputs or --client autotune"
            )
        if ended.returncode == 0:
            export = ended.scanner.export()
            if export is None:
                raise LoadGeneratorFailed(
                    "perf_analyzer's export of its requests is incomplete: it cannot write NaN or infinity,"
                    " which an output of the model holds"
                )
            result = measured(schedule, batch_size, self._options.warmup_s, export, ended)
            if self.report is None:
                return result
            send_s, receive_s = self.report.client_send_s, self.report.client_receive_s
            return replace(result, send_s=send_s * result.completed, receive_s=receive_s * result.completed)
        failed = failures(ended.stderr, self.protocol)
        if not failed and (ended.cause == "load" or nothing_completed(ended.stderr)):
            failed = unanswered(schedule, duration_s)
        if not failed:
            code = ended.returncode or 0
            cause = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise LoadGeneratorFailed(f"perf_analyzer failed ({cause}): {last_words(ended.stderr, ended.stdout)}")
        return nothing_measured(schedule, duration_s, batch_size, failed, elapsed_s)
