"""A job's progress as server-sent events."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from autotune.errors import AutotuneError
from autotune.service._runner import EVENTS_FILE
from autotune.store import Job, JobState, JobStore

_POLL_S = 0.5
_MOST_LINES = 1_000  # that are read at once
_SILENCE_S = 15.0  # proxies close a connection that is silent for longer


async def job_events(jobs: JobStore, name: str, directory: Path, after: int) -> AsyncIterator[str]:
    """Events of a job until it ends; the state in which it ended is the last one. A database that fails ends none.

    Args:
        jobs: The jobs.
        name: The job.
        directory: Where its run writes.
        after: Lines of progress to skip.
    """
    shown: JobState | None = None
    silent_s = 0.0
    progress = _Lines(directory / EVENTS_FILE)
    await run_in_threadpool(progress.skip, after)
    while True:
        try:
            job = await run_in_threadpool(jobs.find, name)
        except AutotuneError:  # it may come back
            yield ": the database failed\n\n"
            await asyncio.sleep(_POLL_S)
            continue
        if job is None:
            return
        if job.state is not shown and not job.state.final:
            shown = job.state
            yield _state(job)
        lines = await run_in_threadpool(progress.read)
        for number, line in lines:
            yield _event("progress", line, number)
        if job.state.final and not lines:
            yield _state(job)
            return
        silent_s = 0.0 if lines else silent_s + _POLL_S
        if silent_s >= _SILENCE_S:
            silent_s = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(0 if lines else _POLL_S)


class _Lines:
    """The lines of a file that grows; each part of it is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._number = 0

    def skip(self, count: int) -> None:
        """Leaves out the first lines: all that are there if there are fewer."""
        while self._number < count and self._next(count - self._number):
            pass

    def read(self) -> list[tuple[int, str]]:
        """The next complete lines with their numbers from 1, at most `_MOST_LINES` of them."""
        return self._next(_MOST_LINES)

    def _next(self, most: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                for line in itertools.islice(file, min(most, _MOST_LINES)):
                    if not line.endswith(b"\n"):
                        break
                    self._at += len(line)
                    self._number += 1
                    # A carriage return would end the line of the event.
                    found.append((self._number, line.decode(errors="replace").rstrip().replace("\r", " ")))
        except OSError:
            pass
        return found


def _state(job: Job) -> str:
    return _event("state", json.dumps({"state": job.state.value, "message": job.message}))


def _event(kind: str, data: str, number: int | None = None) -> str:
    identity = f"id: {number}\n" if number is not None else ""
    return f"event: {kind}\n{identity}data: {data}\n\n"
