"""What runs on the workers: Ray calls these functions there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.cluster._directory import directory_of, hold, remove
from autotune.cluster._setup import Facts, Opened, Setup
from autotune.errors import UsageError
from autotune.measurement import Question
from autotune.repository import abandoned_areas, remove_abandoned
from autotune.search import Trial, TrialWatch

if TYPE_CHECKING:
    from autotune.outcome import TrialOutcome

_LOG_BYTES = 1_000_000  # the end of a server's log that comes back
_opened: dict[str, Opened] = {}  # by job and GPUs: a worker's process serves many trials


@dataclass(frozen=True)
class Job:
    """A study on the cluster.

    Attributes:
        name: Unique; names its directory on each host.
        setup: How trials are executed.
        fingerprint: The digest of the environment that the study runs on.
    """

    name: str
    setup: Setup
    fingerprint: str = ""

    @property
    def directory(self) -> Path:
        """Where a host keeps what the study stages and logs."""
        return directory_of(self.name)


@dataclass(frozen=True)
class Report:
    """What comes back of a trial.

    Attributes:
        node: Ray's id of the node.
        host: The host's name.
        outcome: How the trial ended; None if it was not run.
        log: The end of the server's log.
        facts: The worker; only where the trial was not run because it is of another kind.
        error: Why no trial can be run, a line.
    """

    node: str
    host: str
    outcome: TrialOutcome | None = None
    log: bytes = b""
    facts: Facts | None = None
    error: str = ""


@dataclass(frozen=True)
class Inspection:
    """What a node says before the study.

    Attributes:
        node, host: As in `Report`.
        facts: How the model is served there; None with an error.
        error: Why it cannot be served, a line.
    """

    node: str
    host: str
    facts: Facts | None = None
    error: str = ""


class Progress:
    """An actor that collects what trials report while they run."""

    def __init__(self) -> None:
        self._events: list[tuple[int, str, Any]] = []
        self._arrived = asyncio.Event()

    async def add(self, number: int, hook: str, value: object) -> None:
        """Keeps an event of a trial."""
        self._events.append((number, hook, value))
        self._arrived.set()

    async def take(self, gather_s: float) -> list[tuple[int, str, Any]]:
        """The events that have arrived: waits for the first, then ``gather_s`` for more."""
        await self._arrived.wait()
        await asyncio.sleep(gather_s)
        events, self._events = self._events, []
        self._arrived.clear()
        return events


def sees_repository(setup: Setup) -> bool:
    """Whether this node has the repository at the coordinator's path."""
    return setup.sees_repository()


def inspect(job: Job, gpus: Sequence[int] = ()) -> Inspection:
    """Opens the job on this node without a trial, on as many GPUs as a trial gets; none for all."""
    try:
        facts = _open(job, gpus).facts
    except UsageError as error:
        return Inspection(_node(), socket.gethostname(), error=str(error))
    return Inspection(_node(), socket.gethostname(), facts)


def execute(job: Job, trial: Trial, progress: Any, speeds: Mapping[str, float] | None = None) -> Report:
    """Executes a trial on the resources that Ray gave this process.

    Args:
        job: The study.
        trial: What is executed.
        progress: A `Progress` actor.
        speeds: By node, how many times the rates that are asked about it is expected to reach.
    """
    import ray

    node, host = _node(), socket.gethostname()
    trial = replace(trial, question=_at_speed(trial.question, (speeds or {}).get(node, 1.0)))
    try:
        opened = _open(job, tuple(map(int, ray.get_gpu_ids())))
        if opened.facts.environment.digest != job.fingerprint:
            return Report(node, host, facts=opened.facts)

        def tell(hook: str, value: object) -> None:
            progress.add.remote(trial.number, hook, value)

        watch = TrialWatch(
            on_ready=lambda startup_s: tell("on_ready", startup_s),
            on_served=lambda served: tell("on_served", served),
            on_probe=lambda probe: tell("on_probe", probe),
            on_note=lambda text: tell("on_note", text),
        )
        outcome = opened.executor.execute(trial, watch)
    except UsageError as error:
        return Report(node, host, error=str(error))
    log = b""
    if outcome.log_path is not None:
        with contextlib.suppress(OSError):
            log = outcome.log_path.read_bytes()[-_LOG_BYTES:]
            outcome.log_path.unlink()
    return Report(node, host, replace(outcome, log_path=None), log)


def _at_speed(question: Question, speed: float) -> Question:
    beat, around = (None if each is None else each * speed for each in (question.beat_per_s, question.around_per_s))
    return replace(question, beat_per_s=beat, around_per_s=around)


def clean(job: Job) -> None:
    """Removes what the job left on this host."""
    for opened in _opened.values():
        opened.close()
    _opened.clear()
    remove(job.directory)


def _open(job: Job, gpus: Sequence[int]) -> Opened:
    key = f"{job.name} {gpus}"
    if key not in _opened:
        hold(job.directory)
        for area in abandoned_areas(job.directory):  # of a process that was lost here
            remove_abandoned(area)
        _opened[key] = job.setup.open(job.directory, gpus)
    return _opened[key]


def _node() -> str:
    import ray

    node: str = ray.get_runtime_context().get_node_id()
    return node
