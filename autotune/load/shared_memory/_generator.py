"""A load generator together with the shared memory of its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load.shared_memory._tensors import SharedTensors
from autotune.server._belongings import SHARED_MEMORY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from autotune.load._generator import LoadGenerator
    from autotune.load._result import LoadResult
    from autotune.load._schedule import Schedule
    from autotune.load._watch import Watch
    from autotune.load.payload import Payload
    from autotune.server import Endpoint


class SharedMemoryGenerator:
    """A generator together with the shared memory of its requests; see `autotune.load.LoadGenerator`.

    Closing it closes both, in the order in which they can be closed.
    """

    def __init__(self, generator: LoadGenerator, tensors: SharedTensors) -> None:
        self.protocol = generator.protocol
        self._generator = generator
        self._tensors = tensors

    @classmethod
    def create(
        cls,
        endpoint: Endpoint,
        payloads: Sequence[Payload],
        generator_of: Callable[[SharedTensors], LoadGenerator],
        directory: Path = SHARED_MEMORY,
    ) -> SharedMemoryGenerator:
        """Puts ``payloads`` into shared memory and has ``generator_of`` make what sends their requests.

        Raises whatever `SharedTensors` and ``generator_of`` raise; no memory is then left.
        """
        tensors = SharedTensors(endpoint, payloads, directory)
        try:
            return cls(generator_of(tensors), tensors)
        except BaseException:
            tensors.close()
            raise

    def run(self, schedule: Schedule, duration_s: float, timeout_s: float, watch: Watch | None = None) -> LoadResult:
        """Offers ``schedule``; see `autotune.load.LoadGenerator.run`."""
        return self._generator.run(schedule, duration_s, timeout_s, watch)

    def close(self) -> None:
        """Closes the generator, then frees the shared memory; safe to call twice."""
        try:
            self._generator.close()
        finally:
            self._tensors.close()
