"""What a worker needs to execute trials: how the model is found, served and measured there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from autotune.cluster._staging import models_digest, unpack
from autotune.environment import Environment, capture
from autotune.measurement import Deployment
from autotune.repository import ModelSpec, content_digest
from autotune.search import Executor, LocalExecutor

if TYPE_CHECKING:
    from autotune.request import RunRequest


@dataclass(frozen=True)
class Facts:
    """What a worker says about serving the model there.

    Attributes:
        environment: The machine and the software.
        launch: The launch mode.
        why: Why it was chosen, a line.
        has_gpu, finds_gpu: As `autotune.server.Launcher`.
    """

    environment: Environment
    launch: str = ""
    why: str = ""
    has_gpu: bool | None = None
    finds_gpu: bool | None = None


@dataclass(frozen=True)
class Opened:
    """Ready to execute trials.

    Attributes:
        executor: What executes them.
        facts: Where.
        close: Removes what was staged.
    """

    executor: Executor
    facts: Facts
    close: Callable[[], None] = lambda: None


class Setup(Protocol):
    """Is sent to the workers and opened there, once a process."""

    def open(self, directory: Path, gpus: Sequence[int]) -> Opened:
        """Prepares trials in a directory of this host, on these GPUs of it; none for all.

        Raises:
            UsageError: The model cannot be served there.
        """

    def sees_repository(self) -> bool:
        """Whether the model's files are at the coordinator's path, with the same content."""


@dataclass(frozen=True)
class ServingSetup:
    """Serves the model of a request.

    Attributes:
        request: What was asked for; its repository is an absolute path.
        digest: Of the models' files and configs, see `models_digest`.
        fetch: Returns an archive of the models; None if workers read them at the request's path.
    """

    request: RunRequest
    digest: str
    fetch: Callable[[], bytes] | None = field(default=None, compare=False)

    def sees_repository(self) -> bool:
        """See `Setup`."""
        from autotune.errors import UsageError

        try:
            spec, composing = _models(self.request)
        except (UsageError, OSError):
            return False
        return models_digest((spec, *composing)) == self.digest

    def open(self, directory: Path, gpus: Sequence[int]) -> Opened:
        """See `Setup`."""
        request = self.request
        changes: dict[str, Any] = {}
        if self.fetch is not None:
            changes["model_repository"] = unpack(self.fetch, directory / "repository")
        if gpus and request.gpus == "auto":
            changes["gpus"] = ",".join(map(str, gpus))
        launch_request = request.changed(**changes)
        spec, composing = _models(launch_request)
        try:
            launcher, why = launch_request.launcher(share_memory=request.shares_memory)
        except Exception:
            if "gpus" not in changes:
                raise
            launcher, why = request.launcher(share_memory=request.shares_memory)  # only containers take --gpus
        for each in (spec, *composing):
            launcher.check_model(each)
        traffic = request.traffic(spec, spec.config, composing=composing, seed=request.seed)
        deployment = Deployment(spec, launcher, directory, traffic, composing)
        executor = LocalExecutor(
            deployment, request.goal(), request.measure_options(), directory / "logs", request.checks_outputs()
        )
        digests = "+".join(content_digest(each) for each in (spec, *composing))
        environment = capture(launcher.describe(), digests)
        if gpus:
            kept = tuple(gpu for place, gpu in enumerate(environment.gpus) if place in gpus)
            environment = replace(environment, gpus=kept or environment.gpus)
        facts = Facts(environment, launcher.name, why, launcher.has_gpu(), launcher.finds_gpu())
        return Opened(executor, facts, deployment.close)


def _models(request: RunRequest) -> tuple[ModelSpec, tuple[ModelSpec, ...]]:
    return request.find_model(request.triton_arg, allow_batching=request.allow_batching)
