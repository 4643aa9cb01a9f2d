"""``autotune watch``: does a deployed config still fit its traffic?"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from autotune.cli._exit_codes import SLO_VIOLATED_EXIT_CODE, UNDECIDED_EXIT_CODE
from autotune.errors import AutotuneError, UsageError
from autotune.objective import format_duration, parse_duration
from autotune.passwords import without_passwords
from autotune.request import Panel, StoreRequest, objective_flags, option

if TYPE_CHECKING:
    from autotune.drift import Counters, Interval, Judgement
    from autotune.search import StudyResult


@dataclass(frozen=True, kw_only=True)
class _Watch(StoreRequest):
    """A study, and the server on which its config is deployed."""

    study: str | None = option(
        None, "STUDY", "The study; not needed if there is only one.", panel=Panel.OUTPUT, argument=True
    )
    metrics: str | None = option(
        None, "URL", "URL of Triton's metrics, such as http://127.0.0.1:8002/metrics.", panel=Panel.ADDRESS
    )
    interval: str = option("10s", "DURATION", "Time between two readings.", panel=Panel.LOAD)
    duration: str | None = option(None, "DURATION", "How long to watch; until Ctrl-C by default.", panel=Panel.LOAD)
    write_trace: str | None = option(
        None, "FILE", "Write the arrivals that were seen, for 'run --trace'.", panel=Panel.OUTPUT
    )

    def address(self) -> str:
        """The URL of the metrics; raises `UsageError` if it is none."""
        if self.metrics is None:
            raise UsageError("--metrics: none is given; write one such as http://127.0.0.1:8002/metrics")
        parts = urlsplit(self.metrics)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"--metrics: {self.metrics!r} is no URL such as http://127.0.0.1:8002/metrics")
        return self.metrics

    def trace_path(self) -> Path | None:
        """Where the arrivals go; raises `UsageError` if that is a directory or its directory is not there."""
        if self.write_trace is None:
            return None
        path = Path(self.write_trace)
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"--write-trace: {path} is not a file in an existing directory; name one")
        return path


REQUEST = _Watch


def execute(request: _Watch) -> None:
    """Watches until the time is over or a person stops it."""
    url, trace = request.address(), request.trace_path()
    interval_s = parse_duration(request.interval, "--interval")
    duration_s = parse_duration(request.duration, "--duration") if request.duration else float("inf")
    if interval_s < 1 or interval_s > duration_s:
        raise UsageError(f"--interval: {request.interval} is not between 1s and --duration; choose another")
    try:
        from autotune.drift import Drift, Expectation, Interval, read_counters, write_trace
    except ModuleNotFoundError as error:
        raise UsageError(
            f"watch: needs the package {error.name}, which is not installed; run 'pip install triton-autotune[service]'"
        ) from None
    from autotune import api

    result = api.find_study(request.study, results=request.results, storage=request.storage)
    expectation = Expectation(result)
    sys.stdout.write(_head(result, expectation.sustained_per_s, expectation.certified_per_s))
    seen: list[tuple[Interval, Judgement]] = []
    end = time.monotonic() + duration_s
    before: Counters | None = read_counters(url, *result.models)
    try:
        while time.monotonic() + interval_s <= end + 0.5 * interval_s:
            time.sleep(interval_s)
            try:
                after = read_counters(url, *result.models)
            except AutotuneError as error:  # it may come back
                sys.stdout.write(f"{error}\n")
                before = None
                continue
            known, before = before, after
            if known is None:
                continue
            interval = Interval.between(known, after)
            if interval is None:
                sys.stdout.write("the server was restarted: its counters are 0 again\n")
                continue
            seen.append((interval, expectation.judge(interval)))
            sys.stdout.write(_line(*seen[-1]))
            sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    if trace is not None and seen:
        write_trace(trace, [interval for interval, _ in seen])
        sys.stdout.write(f"wrote {trace}\n")
    busy = [judgement.drift for interval, judgement in seen if interval.requests]
    if not busy:
        sys.stdout.write("No request arrived.\n")
        raise typer.Exit(UNDECIDED_EXIT_CODE)
    unfit = sum(drift in (Drift.OVERLOADED, Drift.SLOWER) for drift in busy)
    if 2 * unfit > len(busy):
        sys.stdout.write(_advice(request, result, unfit, len(busy)))
        raise typer.Exit(SLO_VIOLATED_EXIT_CODE)
    sys.stdout.write(f"The config fits the traffic in {len(busy) - unfit} of {len(busy)} intervals with requests.\n")


def _head(result: StudyResult, sustained_per_s: float, certified_per_s: float | None) -> str:
    certified = f", certified for {certified_per_s:,.0f}/s" if certified_per_s else ""
    models = " and ".join(result.models)
    verb = "sustain" if len(result.models) > 1 else "sustains"
    return f"{result.study}: {models} {verb} {sustained_per_s:,.0f} inferences/s{certified}\n"


def _line(interval: Interval, judgement: Judgement) -> str:
    if not interval.requests:
        return "no request\n"
    expected = (
        f" (predicted {format_duration(judgement.expected_s)}, mean batch {judgement.expected_batch:.1f})"
        if judgement.expected_s is not None and judgement.expected_batch is not None
        else ""
    )
    failed = f", {interval.failures:,} failed" if interval.failures else ""
    return (
        f"{interval.inferences_per_s:>9,.0f} inferences/s  time in the server {format_duration(interval.latency_s)},"
        f" mean batch {interval.mean_batch:.1f}{expected}{failed}: {judgement.drift.value}\n"
    )


def _advice(request: _Watch, result: StudyResult, unfit: int, busy: int) -> str:
    return (
        f"The config falls behind in {unfit} of {busy} intervals with requests. Tune again; add the options of the"
        " first run that say how requests are sent and served, such as --launch and --input-data:\n"
        f"  {again(request, result)}\n"
    )


def again(request: _Watch, result: StudyResult) -> str:
    """The command that looks for the same under the traffic that was seen."""
    model = [] if result.objective.weights else ["--model", result.model]
    flags = objective_flags(result.objective, request.write_trace)
    words = ["autotune", "run", *model, *flags, "--study", f"{result.study}-again"]
    if str(request.results) != StoreRequest().results:
        words += ["--results", str(request.results)]
    if request.storage is not None:
        words += ["--storage", without_passwords(request.storage)]
    return shlex.join(words)
