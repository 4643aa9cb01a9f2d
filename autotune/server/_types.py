"""Protocols of launchers and servers, and the errors of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from autotune.errors import AutotuneError
from autotune.repository import ModelSpec
from autotune.server._belongings import SHARED_MEMORY
from autotune.server._usage import ServerUsage


class ServerFailure(AutotuneError):
    """A server did not start or did not keep running. The message quotes Triton."""


class LoadFailed(ServerFailure):
    """Triton refused the model with this config."""


class StartTimedOut(ServerFailure):
    """The server was not ready before the deadline."""


class ServerCrashed(ServerFailure):
    """The server ended by itself (out of memory, for example), or no longer answers."""


class ModelCrashed(ServerCrashed):
    """A process of the model died while the server lives on.

    Args:
        model: The model, which may be one that is called.
        how: How its process ended.
        requests: Requests in the batch that it was executing; None if unknown.
        out_of_memory: Whether the kernel killed it for lack of memory.
        request_size: Inferences in each request.

    Attributes:
        model, out_of_memory: See above.
        batch_size: Inferences in the batch that it was executing; None if unknown.
    """

    def __init__(
        self, model: str, how: str, requests: int | None = None, *, out_of_memory: bool = False, request_size: int = 1
    ) -> None:
        self.model = model
        self.batch_size = None if requests is None else requests * request_size
        self.out_of_memory = out_of_memory
        self._how = how
        self._requests = requests
        where = "" if requests is None else f" in a batch of {self.batch_size}"
        super().__init__(f"the process of model {model} died ({how}){where}")

    def with_requests_of(self, size: int) -> ModelCrashed:
        """The same if a request has ``size`` inferences, which only the client knows."""
        return ModelCrashed(self.model, self._how, self._requests, out_of_memory=self.out_of_memory, request_size=size)


@dataclass(frozen=True)
class Endpoint:
    """The address of a server: ``host`` with an HTTP and a gRPC port.

    ``shared_memory`` is the directory that a server on this machine has as ``/dev/shm``.
    """

    host: str
    http_port: int
    grpc_port: int
    shared_memory: Path = SHARED_MEMORY


@dataclass(frozen=True)
class ModelStatistics:
    """Triton's cumulative statistics of one model (all versions), from ``/v2/models/M/stats``.

    Counts are since load, times in nanoseconds summed over them. Subtract two with `-` for a window.

    Attributes:
        inference_count: Inferences (batch items).
        execution_count: Executions (batches).
        success_count: Successful requests.
        fail_count: Failed requests.
        request_ns, queue_ns, compute_input_ns, compute_infer_ns, compute_output_ns: Summed durations of
            successful requests.
        cache_hit_count: Requests answered from the response cache; they count as successful, without an execution.
        cache_miss_count: Requests that were looked for in the cache and executed.
        batch_executions: Batch size -> number of executions at that size.
        batch_compute_ns: Batch size -> summed duration of those executions (input, inference and output).
    """

    inference_count: int = 0
    execution_count: int = 0
    success_count: int = 0
    fail_count: int = 0
    request_ns: int = 0
    queue_ns: int = 0
    compute_input_ns: int = 0
    compute_infer_ns: int = 0
    compute_output_ns: int = 0
    cache_hit_count: int = 0
    cache_miss_count: int = 0
    batch_executions: Mapping[int, int] = field(default_factory=dict)
    batch_compute_ns: Mapping[int, int] = field(default_factory=dict)

    def __add__(self, other: ModelStatistics) -> ModelStatistics:
        sums: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            one, two = getattr(self, name), getattr(other, name)
            sums[name] = _summed(one, two) if isinstance(one, Mapping) else one + two
        return ModelStatistics(**sums)

    def __sub__(self, earlier: ModelStatistics) -> ModelStatistics:
        changes: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            now, then = getattr(self, name), getattr(earlier, name)
            changes[name] = _grown(now, then) if isinstance(now, Mapping) else now - then
        return ModelStatistics(**changes)

    @property
    def mean_batch_size(self) -> float:
        """Inferences per execution; 0 if nothing was executed.

        Triton counts executions that raise by batch size, but not as inferences. The direct sequence batcher fills
        the slots without a request, which count by batch size only too: without failures inferences are fewer by those.
        """
        executions = sum(self.batch_executions.values())
        if executions:
            items = sum(size * count for size, count in self.batch_executions.items())
            if not self.fail_count and 0 < self.inference_count < items:
                items = self.inference_count
            return items / executions
        return self.inference_count / self.execution_count if self.execution_count else 0.0

    @property
    def cached_fraction(self) -> float:
        """The part of the successful requests that the response cache answered."""
        return self.cache_hit_count / self.success_count if self.success_count else 0.0

    @property
    def busy_s(self) -> float:
        """Seconds that all instances together spent on executions."""
        return sum(self.batch_compute_ns.values()) / 1e9


def _summed(one: Mapping[int, int], two: Mapping[int, int]) -> dict[int, int]:
    return {size: one.get(size, 0) + two.get(size, 0) for size in sorted({*one, *two})}


def _grown(now: Mapping[int, int], then: Mapping[int, int]) -> dict[int, int]:
    """The growth of each entry, without unchanged ones."""
    grown = {size: count - then.get(size, 0) for size, count in sorted(now.items())}
    return {size: count for size, count in grown.items() if count}


class RunningServer(Protocol):
    """A ready Triton with one model loaded under explicit model control.

    Every call raises `ServerCrashed` if the server is gone or no longer answers.
    """

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def startup_s(self) -> float:
        """Seconds from launch to ready, model load included."""

    @property
    def log_path(self) -> Path | None:
        """The server's log file; None for a remote server."""

    def metadata(self) -> dict[str, object]:
        """The server's ``/v2`` metadata: name, version, extensions."""

    def model_metadata(self, model: str = "") -> dict[str, object]:
        """The ``/v2/models/M`` metadata of the model, or of another one: inputs and outputs with datatype and shape."""

    def model_config(self, model: str = "") -> dict[str, object]:
        """The complete config as Triton completed it, from ``/v2/models/M/config``.

        ``model`` names another model that is loaded, such as a step of an ensemble.
        """

    def statistics(self, model: str = "") -> ModelStatistics:
        """Cumulative statistics of the model, or of another one that is loaded, now."""

    @property
    def pid(self) -> int | None:
        """The server's process; None if it is not on this machine."""

    def usage(self) -> ServerUsage | None:
        """CPU time and memory of its processes so far; None if they are not visible (remote)."""

    @property
    def model_died(self) -> bool:
        """Whether a process of the model has died; False if they are not visible. Costs nothing."""

    def check_alive(self) -> None:
        """Raises `ServerCrashed` with the end of the log if the server has ended, `ModelCrashed` if its model has."""


class Launcher(Protocol):
    """A launch mode: starts a server for one staged repository."""

    @property
    def name(self) -> str: ...

    @property
    def reads_only(self) -> bool:
        """Whether the server cannot write to the staged repository."""

    def check(self) -> None:
        """Raises `UsageError` with the remedy if this mode cannot work here; starts nothing."""

    def launch(
        self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()
    ) -> AbstractContextManager[RunningServer]:
        """A server in explicit model-control mode with ``model`` loaded from the staged ``repository``.

        The models in ``called``, which it needs, are loaded too.

        Leaving the context always stops it.

        Raises:
            LoadFailed: Triton refused the model; the message is Triton's.
            StartTimedOut: The server was not ready before the launcher's deadline.
            ServerCrashed: The server ended while starting.
        """

    def check_model(self, spec: ModelSpec) -> None:
        """Raises `UsageError` with the remedy if this mode cannot serve the model's file; starts nothing."""

    def has_gpu(self) -> bool | None:
        """Whether an ONNX model can compute on a GPU there; None if that cannot be seen from here."""

    def finds_gpu(self) -> bool | None:
        """Whether Triton finds a GPU there for instances of KIND_GPU; None if that cannot be seen from here."""

    def describe(self) -> dict[str, str]:
        """Mode, image or binary, and version if known, for the environment fingerprint."""
