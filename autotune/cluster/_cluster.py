"""A cluster made ready for a study: versions, repository and hardware of its nodes are checked before a trial."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from autotune.cluster._bucket import Bucket
from autotune.cluster._connection import Node, check_builds, connected, fitting_nodes, on_each
from autotune.cluster._kinds import Kind, kinds_of, only_kind
from autotune.cluster._setup import Facts, ServingSetup
from autotune.cluster._staging import models_digest, pack
from autotune.cluster._worker import Job, clean, inspect, sees_repository
from autotune.cluster._workers import RayWorkers
from autotune.environment import Environment
from autotune.errors import AutotuneError, UsageError
from autotune.objective import Objective

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
    """The nodes of a cluster that serve the model alike.

    Attributes:
        ray: The module, connected.
        job: What the workers do.
        kind: Their hardware.
        others: Ids of the nodes that are of another kind.
        objective: What a trial is scored by.
        resources: What a trial takes of a node, by Ray's name.
        served_by: How they serve it, and a line that says why.
        notes: What a person should know, a line each.
    """

    ray: Any
    job: Job
    kind: Kind
    others: frozenset[str]
    objective: Objective
    resources: dict[str, float]
    served_by: tuple[WorkerLauncher, str]
    notes: tuple[str, ...]

    @property
    def environment(self) -> Environment:
        """What the study runs on."""
        return self.served_by[0].facts.environment

    def workers(self, logs: Path, note: Callable[[str], None], most: int | None) -> RayWorkers:
        """The workers; logs of their servers go to the directory."""
        return RayWorkers(
            self.ray,
            self.job,
            self.resources,
            self.environment,
            logs,
            note,
            most,
            others=self.others,
            objective=self.objective,
        )


@contextmanager
def clusters_of(request: RunRequest, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Iterator[tuple[Cluster, ...]]:
    """The cluster of a request, until the context is left; with ``per_hardware`` a part of it for each kind of nodes.

    Raises:
        UsageError: It cannot be reached, no trial fits on it, its nodes cannot serve the model, or they differ.
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
            gpus = tuple(range(int(resources.get("GPU", 0.0))))
            kinds = kinds_of(nodes, on_each(ray, nodes, inspect, job, gpus))
            if not request.per_hardware:
                only_kind(kinds)
            goal = request.goal()
            yield tuple(_part(ray, job, each, kinds, goal, resources, staged) for each in kinds)
        finally:
            with suppress(AutotuneError, KeyboardInterrupt):  # nodes may be lost
                on_each(ray, [node for node in nodes if node.id in _alive(ray)], clean, job)


def _part(
    ray: Any,
    job: Job,
    kind: Kind,
    kinds: Sequence[Kind],
    objective: Objective,
    resources: dict[str, float],
    staged: str,
) -> Cluster:
    """The nodes of one kind as a cluster of their own."""
    facts, nodes = kind.facts, kind.nodes
    slots = sum(node.slots for node in nodes)
    where = f"{len(nodes)} node{'s'[: len(nodes) > 1]} ({', '.join(node.host for node in nodes)})"
    notes = [f"cluster: {slots} trial{'s fit' if slots > 1 else ' fits'} on {where}", staged]
    if any(node.slots > 1 for node in nodes) and "GPU" not in resources:
        notes.append("several trials share a node and may disturb each other; let each take a whole one")
    return Cluster(
        ray=ray,
        job=replace(job, fingerprint=facts.environment.digest),
        kind=kind,
        others=frozenset(node.id for each in kinds if each is not kind for node in each.nodes),
        objective=objective,
        resources=resources,
        served_by=(WorkerLauncher(facts), facts.why),
        notes=tuple(notes),
    )


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
        UsageError: They have to see the repository by its path, and do not; or the bucket cannot be reached.
    """
    setup = ServingSetup(request, models_digest(models))
    if request.staging.startswith("s3://"):
        stored, uploaded = Bucket.of(request.staging).put(pack(models))
        how = "uploaded" if uploaded else "there already"
        return replace(setup, fetch=stored), f"each host downloads the models from s3://{stored.path} ({how})"
    if request.staging != "copy":
        seen = on_each(ray, nodes, sees_repository, setup)
        blind = [node.host for node, sees in zip(nodes, seen, strict=True) if not sees]
        if not blind:
            return setup, f"workers read {request.model_repository} themselves"
        if request.staging == "path":
            raise UsageError(
                f"--model-repository: {', '.join(blind)} does not see {request.model_repository} with the same content;"
                " mount it there, or use --staging copy or s3://BUCKET/PREFIX"
            )
    archive = pack(models)
    copied = replace(setup, fetch=_Fetch(ray.put(archive)))
    return copied, f"each host gets a copy of the models ({len(archive) / 1e6:.1f} MB)"
