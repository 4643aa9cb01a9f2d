"""Several studies: one a model, one a kind of hardware, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from autotune.api._run import checked, on_cluster, run_study, study_on
from autotune.api._studies import open_store
from autotune.environment import hardware_names
from autotune.errors import AutotuneError, UsageError
from autotune.request import Prices, RunRequest

if TYPE_CHECKING:
    from autotune.cluster import Cluster
    from autotune.search import FleetResult, Hardware, ModelStudy, StudyObserver, StudyResult


def run_fleet(request: RunRequest, observer: StudyObserver | None = None) -> FleetResult:
    """Makes the studies of ``all``, ``each`` and ``per_hardware`` one after the other.

    Models that are expected to take longest come first, and kinds of hardware with the most nodes. A study that fails
    does not keep the others from being made. Trials and time budget are those of each study.

    Returns:
        Each study, or why there is none.

    Raises:
        UsageError: The request is at fault, or no study can be made.
    """
    from autotune.search import SilentObserver

    if request.per_hardware:
        request.on_ray()
    prices = request.known_prices()
    models = request.fleet()
    waiting = _longest_first(models, request) if models else []
    fleet = _Fleet(observer or SilentObserver())
    try:
        if not models:
            _on_each_kind(request, prices, fleet)
        while waiting and not fleet.interrupted:
            name = waiting[0]
            fleet.observer.note(f"model {name}, {len(models) - len(waiting) + 1} of {len(models)}")
            single = request.changed(all=False, each=(), model=name)
            if request.per_hardware:
                try:
                    _on_each_kind(single, prices, fleet)
                except AutotuneError as error:
                    fleet.failed(name, error)
            else:
                fleet.add(name, partial(run_study, single, fleet.observer))
            waiting.pop(0)
    except KeyboardInterrupt:
        if not fleet.done:
            raise
    return fleet.result(waiting)


class _Fleet:
    """The studies that were made."""

    def __init__(self, observer: StudyObserver) -> None:
        self.observer = observer
        self.done: list[ModelStudy] = []
        self._first: UsageError | None = None
        self._waiting: list[str] = []

    @property
    def interrupted(self) -> bool:
        """Whether a person stopped the last study."""
        last = self.done[-1].result if self.done else None
        return last is not None and last.interrupted

    def add(self, model: str, study: Callable[[], StudyResult], hardware: Hardware | None = None) -> None:
        """Makes a study, or keeps why there is none."""
        from autotune.search import ModelStudy

        try:
            self.done.append(ModelStudy(model, study(), hardware=hardware))
        except AutotuneError as error:
            self.failed(model, error, hardware)

    def failed(self, model: str, error: AutotuneError, hardware: Hardware | None = None) -> None:
        """Keeps why there is no study."""
        from autotune.search import ModelStudy

        self._first = self._first or (error if isinstance(error, UsageError) else None)
        self.observer.note(f"{model}{f' on {hardware.kind}' if hardware else ''}: {error}")
        self.done.append(ModelStudy(model, error=str(error), hardware=hardware))

    def left(self, model: str, kinds: Sequence[str]) -> None:
        """Keeps the kinds whose turn did not come."""
        self._waiting += [f"{model} on {kind}" for kind in kinds]

    def result(self, waiting: Sequence[str]) -> FleetResult:
        """All of it; raises `UsageError` if no study could be made."""
        from autotune.search import FleetResult

        if self._first is not None and all(each.result is None for each in self.done):
            raise self._first
        return FleetResult(tuple(self.done), (*self._waiting, *waiting))


def _on_each_kind(request: RunRequest, prices: Prices | None, fleet: _Fleet) -> None:
    """A study of one model on each kind of hardware of the cluster.

    Raises:
        UsageError: The request is at fault; no study was begun.
    """
    request, translated = checked(request)
    model = request.find_model(request.triton_arg, allow_batching=request.allow_batching)[0].name
    with on_cluster(request) as clusters:
        kinds = [_hardware(each, request, prices) for each in clusters]
        for number, (cluster, hardware) in enumerate(zip(clusters, kinds, strict=True)):
            fleet.observer.note(f"{hardware.kind}, kind {number + 1} of {len(kinds)}: {', '.join(hardware.hosts)}")
            try:
                fleet.add(model, partial(study_on, cluster, request, translated, fleet.observer), hardware)
            except KeyboardInterrupt:
                fleet.left(model, [each.kind for each in kinds[number:]])
                if not fleet.done:
                    raise
                return
            if fleet.interrupted:
                fleet.left(model, [each.kind for each in kinds[number + 1 :]])
                return


def _hardware(cluster: Cluster, request: RunRequest, prices: Prices | None) -> Hardware:
    from autotune.search import Hardware

    environment, kind = cluster.environment, cluster.kind
    return Hardware(
        kind.name,
        kind.hosts,
        len(environment.gpus),
        float(request.worker_cpus or environment.available_cores),
        None if prices is None else prices.of(kind.name, hardware_names(environment)),
    )


def _longest_first(models: Sequence[tuple[str, int]], request: RunRequest) -> list[str]:
    from autotune.search import longest_first

    results = request.writable_directory()
    try:
        known = open_store(results=results, storage=request.storage)
    except UsageError:  # no study was run yet
        known = None
    with closing(known) if known else nullcontext():
        return longest_first(models, known)
