"""A cluster made ready for a study: versions, repository and hardware of its nodes are checked before a trial."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from autotune.cluster._connection import Node, check_builds, connected, fitting_nodes, on_each
from autotune.cluster._setup import Facts, ServingSetup
from autotune.cluster._staging import models_digest, pack
from autotune.cluster._worker import Inspection, Job, clean, inspect, sees_repository
from autotune.cluster._workers import RayWorkers
from autotune.environment import Environment, differences
from autotune.errors import AutotuneError, UsageError

if TYPE_CHECKING:
    from autotune.repository import ModelSpec
    from autotune.request import RunRequest


@dataclass(frozen=True)
class WorkerLauncher:
    """Stands for the workers' `autotune.server.Launcher` where only facts about it are asked.

    Attributes:
        facts: What a worker said of it.
    """

    facts: Facts
    reads_only: bool = False

    @property
    def name(self) -> str:
        """The launch mode."""
        return self.facts.launch

    def check(self) -> None:
        """The workers have checked it."""

    def check_model(self, spec: ModelSpec) -> None:
        """The workers have checked it."""

    def launch(self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()) -> NoReturn:
        """Raises `AutotuneError`: only workers start servers."""
        raise AutotuneError(f"{model}: only the workers of the cluster start servers")

    def has_gpu(self) -> bool | None:
        """See `autotune.server.Launcher`."""
        return self.facts.has_gpu

    def finds_gpu(self) -> bool | None:
        """See `autotune.server.Launcher`."""
        return self.facts.finds_gpu

    def describe(self) -> dict[str, str]:
        """See `autotune.server.Launcher`."""
        return self.facts.environment.launch


@dataclass(frozen=True)
class Cluster:
    """A cluster whose nodes serve the model alike.

    Attributes:
        ray: The module, connected.
        job: What the workers do.
        resources: What a trial takes of a node, by Ray's name.
        served_by: How they serve it, and a line that says why.
        notes: What a person should know, a line each.
    """

    ray: Any
    job: Job
    resources: dict[str, float]
    served_by: tuple[WorkerLauncher, str]
    notes: tuple[str, ...]

    @property
    def environment(self) -> Environment:
        """What the study runs on."""
        return self.served_by[0].facts.environment

    def workers(self, logs: Path, note: Callable[[str], None], most: int | None) -> RayWorkers:
        """The workers; logs of their servers go to the directory."""
        return RayWorkers(self.ray, self.job, self.resources, self.environment, logs, note, most)


@contextmanager
def cluster_of(request: RunRequest, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Iterator[Cluster]:
    """The cluster of a request, until the context is left.

    Raises:
        UsageError: It cannot be reached, no trial fits on it, or its nodes cannot serve the model or differ.
    """
    resources = request.resources()
    if request.launch == "remote" or request.url is not None:
        raise UsageError("--launch: remote names one server; use docker, local or embedded with --executor ray")
    with connected(str(request.address)) as ray:
        nodes = fitting_nodes(ray, resources)
        check_builds(ray, nodes)
        setup, staged = _staged(ray, nodes, _with_absolute_paths(request), (spec, *composing))
        job = Job(uuid.uuid4().hex[:12], setup)
        try:
            facts = _same_kind(on_each(ray, nodes, inspect, job))
            job = replace(job, fingerprint=facts.environment.digest)
            slots = sum(node.slots for node in nodes)
            hosts = ", ".join(node.host for node in nodes)
            notes = [f"cluster: {slots} trials fit on {len(nodes)} node{'s'[: len(nodes) > 1]} ({hosts})", staged]
            if any(node.slots > 1 for node in nodes) and "GPU" not in resources:
                notes.append("several trials share a node and may disturb each other; let each take a whole one")
            yield Cluster(ray, job, resources, (WorkerLauncher(facts), facts.why), tuple(notes))
        finally:
            with suppress(AutotuneError, KeyboardInterrupt):  # nodes may be lost
                on_each(ray, [node for node in nodes if node.id in _alive(ray)], clean, job)


def _alive(ray: Any) -> set[str]:
    return {each["NodeID"] for each in ray.nodes() if each["Alive"]}


def _with_absolute_paths(request: RunRequest) -> RunRequest:
    def absolute(path: Any) -> Any:
        return str(Path(path).absolute()) if path and Path(path).exists() else path

    data = request.input_data
    return replace(
        request,
        model_repository=str(Path(request.model_repository).absolute()),
        input_data=absolute(data) if isinstance(data, str | Path) else tuple(map(absolute, data)),
        triton_path=absolute(request.triton_path),
        perf_analyzer=absolute(request.perf_analyzer),
    )


@dataclass(frozen=True)
class _Fetch:
    """Gets an archive from Ray's object store."""

    reference: Any

    def __call__(self) -> bytes:
        import ray

        archive: bytes = ray.get(self.reference)
        return archive


def _staged(
    ray: Any, nodes: Sequence[Node], request: RunRequest, models: Sequence[ModelSpec]
) -> tuple[ServingSetup, str]:
    """How workers get at the models, and a line that says so.

    Raises:
        UsageError: They have to see the repository by its path, and do not.
    """
    setup = ServingSetup(request, models_digest(models))
    if request.staging != "copy":
        seen = on_each(ray, nodes, sees_repository, setup)
        blind = [node.host for node, sees in zip(nodes, seen, strict=True) if not sees]
        if not blind:
            return setup, f"workers read {request.model_repository} themselves"
        if request.staging == "path":
            raise UsageError(
                f"--model-repository: {', '.join(blind)} does not see {request.model_repository} with the same content;"
                " mount it there, or use --staging copy"
            )
    archive = pack(models)
    copied = replace(setup, fetch=_Fetch(ray.put(archive)))
    return copied, f"each host gets a copy of the models ({len(archive) / 1e6:.1f} MB)"


def _same_kind(found: Sequence[Inspection]) -> Facts:
    """What all nodes say; raises `UsageError` if one cannot serve the model, or if they differ."""
    for each in found:
        if each.facts is None:
            raise UsageError(f"--executor: ray, on {each.host}: {each.error}")
    first = found[0]
    assert first.facts is not None  # noqa: S101 - see above
    for each in found[1:]:
        assert each.facts is not None  # noqa: S101
        if each.facts.environment.digest != first.facts.environment.digest:
            unlike = differences(first.facts.environment, each.facts.environment, f"on {first.host}", f"on {each.host}")
            raise UsageError(
                f"--executor: ray, nodes of different kinds cannot be compared ({'; '.join(unlike)}); "
                "give nodes of one kind a custom resource and name it with --worker-resource"
            )
    return first.facts
