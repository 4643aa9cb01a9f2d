"""A run as JSON, one event a line, for programs that watch it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TextIO

from autotune.report import load_label

if TYPE_CHECKING:
    from autotune.cli._interruption import Interruption
    from autotune.measurement import Probe
    from autotune.objective import Objective
    from autotune.outcome import TrialOutcome
    from autotune.space import Candidate


class EventObserver:
    """Writes each event as one line of JSON: ``time`` (UTC), ``event``, and what belongs to it.

    Units stand in the names: ``_s`` for seconds, ``_per_s`` for inferences/s. What is unknown or infinite is null.
    """

    def __init__(self, stream: TextIO, interruption: Interruption) -> None:
        self._stream = stream
        self._interruption = interruption

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def study_started(
        self, name: str, trials_done: int, trials_wanted: int | None, objective: Objective | None = None
    ) -> None:
        self._write("study started", study=name, trials_done=trials_done, trials_wanted=trials_wanted)

    def estimated(self, left_s: float) -> None:
        self._write("estimated", at_most_left_s=left_s)

    def trial_started(self, number: int, label: str, candidate: Candidate | None) -> None:
        self._interruption.check()
        self._write("trial started", trial=number, label=label, values=candidate.as_dict() if candidate else None)

    def server_ready(self, number: int, startup_s: float) -> None:
        self._write("server ready", trial=number, startup_s=startup_s)

    def probed(self, number: int, probe: Probe) -> None:
        self._write(
            "window",
            trial=number,
            purpose=probe.purpose,
            load=load_label(probe),
            latency_s=probe.latency_s,
            achieved_per_s=probe.achieved_per_s,
            verdict=probe.verdict,
        )
        self._interruption.check()

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        self._write("trial finished", trial=number, best=best, **_result(outcome))

    def run_finished(self, label: str, outcome: TrialOutcome) -> None:
        self._write("run finished", label=label, **_result(outcome))

    def _write(self, event: str, **content: object) -> None:
        stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps(_finite({"time": stamp, "event": event, **content}), allow_nan=False)
        self._stream.write(line + "\n")
        self._stream.flush()


def _result(outcome: TrialOutcome) -> dict[str, object]:
    measured = outcome.measurement
    return {
        "outcome": outcome.kind.value,
        "message": outcome.message,
        "rate_per_s": measured.rate_per_s if measured and outcome.feasible else None,
        "latency_s": measured.latency_s if measured else None,
        "memory_bytes": measured.memory_bytes if measured else None,
        "gpu_memory_bytes": measured.gpu_memory_bytes if measured else None,
        "seconds": outcome.seconds,
    }


def _finite(value: object) -> object:
    """The same, with null for what JSON has no number for."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
