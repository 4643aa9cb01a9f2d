"""A job's progress as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from autotune.service._runner import EVENTS_FILE
from autotune.store import JobState, JobStore

_POLL_S = 0.5
_SILENCE_S = 15.0  # proxies close a connection that is silent for longer


async def job_events(jobs: JobStore, name: str, directory: Path, after: int) -> AsyncIterator[str]:
    """Events of a job until it ends.

    Args:
        jobs: The jobs.
        name: The job.
        directory: Where its run writes.
        after: Lines of progress to skip.
    """
    shown: JobState | None = None
    silent_s = 0.0
    path = directory / EVENTS_FILE
    while True:
        job = await run_in_threadpool(jobs.find, name)
        if job is None:
            return
        if job.state is not shown:
            shown = job.state
            yield _event("state", json.dumps({"state": shown.value, "message": job.message}))
        lines = await run_in_threadpool(_complete_lines, path, after)
        for line in lines:
            after += 1
            yield _event("progress", line, after)
        if job.state.final:
            return
        silent_s = 0.0 if lines else silent_s + _POLL_S
        if silent_s >= _SILENCE_S:
            silent_s = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_POLL_S)


def _complete_lines(path: Path, after: int) -> list[str]:
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()[after:]


def _event(kind: str, data: str, number: int | None = None) -> str:
    identity = f"id: {number}\n" if number is not None else ""
    return f"event: {kind}\n{identity}data: {data}\n\n"
