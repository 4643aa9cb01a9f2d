"""Whether a process of the model died during a window: seen on this machine, or said by Triton."""

from __future__ import annotations

import re
from dataclasses import replace

from autotune.load import ClosedLoop, LoadGenerator, LoadResult, Watch
from autotune.server import ModelCrashed, RunningServer

# Triton 2.51, Python backend; a process has the name of its instance, MODEL_GROUP_NUMBER.
_NOT_HEALTHY = re.compile(r"Stub process '(?P<model>[^']+?)(_\d+_\d+)?' is not healthy")
_ONE_REQUEST_S = 0.001
_PATIENCE_S = 5.0  # Triton waits 1 s for each dead process before it fails a batch


def ending_with_model(server: RunningServer, judge: Watch | None) -> Watch | None:
    """The judge's watch, which also ends the window once a process of the model has died."""
    if server.pid is None:
        return judge
    if judge is None:
        return Watch((), lambda progress: server.model_died)
    return replace(judge, on_progress=lambda progress: server.model_died or judge.on_progress(progress))


def check_model(server: RunningServer, generator: LoadGenerator, result: LoadResult) -> None:
    """Raises if the server, or a process of its model, has died.

    Processes elsewhere cannot be seen, but Triton's words can be. If a window is too short for them, one request more
    waits for them.

    Raises:
        ServerCrashed: The server is gone.
        ModelCrashed: A process of the model is.
    """
    try:
        server.check_alive()
    except ModelCrashed as crash:
        raise crash.with_requests_of(result.batch_size) from None
    words = result.error_example
    if server.pid is None and not result.completed and "timeout" in result.errors:
        words = generator.run(ClosedLoop(1), _ONE_REQUEST_S, _PATIENCE_S).error_example or words
    if found := _NOT_HEALTHY.search(words):
        raise ModelCrashed(found["model"], f"Triton: {found[0]}")
