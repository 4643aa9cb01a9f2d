"""Executes trials on a Ray cluster. Ray starts a lost trial again; each is reported once."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.cluster._connection import Node, fitting_nodes
from autotune.cluster._factors import HostFactors
from autotune.cluster._hosts import compare_hosts
from autotune.cluster._worker import Job, Progress, Report, execute
from autotune.environment import Environment, differences
from autotune.errors import AutotuneError, UsageError
from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.search import Ended, StudyResult, Trial, TrialWatch
from autotune.store import Store

_GATHER_S = 0.25  # progress is shown this much later, in fewer messages
_WAIT_S = 1.0  # Ctrl-C is noticed between two waits
_CANCEL_S = 20.0  # guess: a server that is asked to end does so within seconds
_NODE_ID = "ray.io/node-id"  # a label that Ray gives each node
_COUNT_S = 5.0  # between two looks at the cluster's nodes


@dataclass(frozen=True)
class _Submitted:
    trial: Trial
    watch: TrialWatch
    node: str | None = None
    compares_hosts: bool = False


class RayWorkers:
    """Stands for `autotune.search.Workers` and, on one host, for `autotune.search.Executor`.

    Args:
        ray: The module, connected.
        job: What the workers do.
        resources: What a trial takes of a node.
        environment: What the study runs on; a trial that came upon a worker of another kind is run elsewhere.
        logs: Directory that the servers' logs go to.
        note: Says what a person should know.
        most: Most trials at a time; None for all that fit.
        losses: How often Ray starts a trial again whose worker or node was lost.
        others: Ids of nodes that are known to be of another kind.
        objective: By which hosts are compared; with None or several goals, what trials measure is not corrected.
    """

    def __init__(
        self,
        ray: Any,
        job: Job,
        resources: dict[str, float],
        environment: Environment,
        logs: Path,
        note: Callable[[str], None],
        most: int | None = None,
        losses: int = 5,
        others: Collection[str] = (),
        objective: Objective | None = None,
    ) -> None:
        self._ray, self._job, self._resources, self.environment = ray, job, resources, environment
        self._logs, self._note, self._most, self._losses = logs, note, most, losses
        self._submitted: dict[Any, _Submitted] = {}  # by Ray's reference of the report
        self._watches: dict[int, TrialWatch] = {}
        self._others = set(others)  # nodes of another kind
        self._factors = HostFactors(objective) if objective is not None and not objective.also else None
        self._said: set[str] = set()  # nodes whose factor was noted
        self._home = ""
        self._count, self._counted_s = 0, -_COUNT_S
        here = ray.get_runtime_context().get_node_id()
        self._progress = ray.remote(num_cpus=0, max_restarts=-1)(Progress)
        self._progress = self._progress.options(scheduling_strategy=_on(here, soft=True)).remote()
        self._events = self._progress.take.remote(_GATHER_S)
        cpus = resources.get("CPU", 0.0)
        custom = {name: amount for name, amount in resources.items() if name not in ("CPU", "GPU")}
        self._remote = ray.remote(
            num_cpus=cpus, num_gpus=resources.get("GPU", 0.0), resources=custom, max_retries=losses
        )(execute)

    @property
    def count(self) -> int:
        """Trials that fit on the cluster now; at least 1, since lost nodes may come back."""
        if time.monotonic() - self._counted_s >= _COUNT_S:
            self._counted_s = time.monotonic()
            self._count = sum(node.slots for node in self.nodes())
        return max(1, self._count if self._most is None else min(self._count, self._most))

    def nodes(self) -> list[Node]:
        """The live nodes of the study's kind that trials fit on."""
        try:
            found = fitting_nodes(self._ray, self._resources)
        except UsageError:  # all are lost for now
            return []
        return [node for node in found if node.id not in self._others]

    def submit(self, trial: Trial, watch: TrialWatch, node: str | None = None) -> None:
        """Hands a trial to Ray; on this node only, if one is given."""
        if node is not None:
            remote = self._remote.options(scheduling_strategy=_on(node))
        elif self._others:
            remote = self._remote.options(label_selector={_NODE_ID: f"!in({','.join(sorted(self._others))})"})
        else:
            remote = self._remote
        speeds = self._factors.speeds() if self._factors and node is None else {}
        reference = remote.remote(self._job, trial, self._progress, speeds)
        self._submitted[reference] = _Submitted(trial, watch, node)
        self._watches[trial.number] = watch
        if self._factors and node is None:
            self._factors.submitted(trial)

    def wait(self) -> Ended:
        """See `autotune.search.Workers`."""
        while True:
            if self._factors and (ended := self._factors.release()) is not None:
                self._say_factors()
                return ended
            for reference in self._ready(list(self._submitted)):
                if self._submitted[reference].compares_hosts:
                    self._compared(reference)
                elif (outcome := self._outcome(reference)) is not None:
                    return outcome

    def execute(self, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """Executes a trial on the host on which all trials of this kind are executed, as long as that lives."""
        return self.execute_on(self.home, trial, watch)

    def execute_on(self, node: str, trial: Trial, watch: TrialWatch) -> TrialOutcome:
        """Executes a trial on a node, or on another one if that is lost."""
        others, self._submitted = self._submitted, {}
        try:
            self.submit(trial, watch, node)
            return self.wait().outcome
        except KeyboardInterrupt:
            self.cancel()
            return _unrun(trial, OutcomeKind.INTERRUPTED, "interrupted")
        finally:
            self._submitted = others | self._submitted

    def recall(self, outcomes: Iterable[TrialOutcome]) -> None:
        """Takes the factors of hosts from trials of an earlier run of the study."""
        if self._factors:
            self._factors.recalled.update(
                {each.host_factor.host: each.host_factor for each in outcomes if each.host_factor}
            )

    def compare_hosts(self, result: StudyResult, store: Store, time_budget_s: float | None) -> None:
        """Repeats the comparison on a second host; see `autotune.cluster._hosts`."""
        compare_hosts(self, result, store, self._note, time_budget_s)

    @property
    def home(self) -> str:
        """The node on which configs are compared."""
        alive = [node.id for node in self.nodes()]
        if self._home not in alive:
            if self._home and alive:
                self._note("the host of the final comparison was lost; the rest is measured on another one")
            self._home = alive[0] if alive else self._home
        return self._home

    def cancel(self) -> None:
        """Ends the trials that run, and waits until their servers have ended."""
        for reference in self._submitted:
            self._ray.cancel(reference)
        waited = list(self._submitted)
        with contextlib.suppress(KeyboardInterrupt):
            if waited:
                self._ray.wait(waited, num_returns=len(waited), timeout=_CANCEL_S)
        for reference in self._submitted:
            self._ray.cancel(reference, force=True)
        self._submitted.clear()
        if self._factors:
            self._factors.held.clear()

    def _ready(self, references: Sequence[Any]) -> Sequence[Any]:
        """Those that have ended; shows progress meanwhile."""
        waited = [*references, self._events]
        ready, _ = self._ray.wait(waited, num_returns=1, timeout=_WAIT_S)
        if self._events in ready:
            self._show()
        return [each for each in ready if each in self._submitted]

    def _show(self) -> None:
        events: list[tuple[int, str, Any]] = []
        with contextlib.suppress(self._ray.exceptions.RayError):  # the actor was lost: so is a part of the progress
            events = self._ray.get(self._events)
        self._events = self._progress.take.remote(_GATHER_S)
        for number, hook, value in events:
            if (watch := self._watches.get(number)) is not None:
                getattr(watch, hook)(value)

    def _outcome(self, reference: Any) -> Ended | None:
        """What a trial came to; None if it has to be run once more."""
        submitted = self._submitted.pop(reference)
        trial, errors = submitted.trial, self._ray.exceptions
        try:
            report: Report = self._ray.get(reference)
        except errors.TaskCancelledError:
            return Ended(trial.number, _unrun(trial, OutcomeKind.INTERRUPTED, "cancelled"))
        except errors.RayTaskError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise AutotuneError(f"--executor ray: trial {trial.number}: {lines[-1].strip()}") from error
        except errors.RayError as error:
            if submitted.node is not None:  # that host is lost
                self.submit(trial, submitted.watch, self.home if submitted.node != self.home else None)
                return None
            if self._factors:
                self._factors.lost(trial)
            lost = f"its worker was lost {self._losses + 1} times ({type(error).__name__}); see ray logs"
            return Ended(trial.number, _unrun(trial, OutcomeKind.CRASHED, lost))
        if report.error:
            raise UsageError(f"--executor: ray, on {report.host}: {report.error}")
        if report.outcome is None:
            self._elsewhere(submitted, report)
            return None
        self._watches.pop(trial.number, None)
        if not self._home or trial.baseline:
            self._home = report.node
        outcome = self._with_log(trial, report)
        if self._factors is None or submitted.node is not None:
            return Ended(trial.number, outcome)
        for node, again in self._factors.ended(report.node, report.host, trial, outcome):
            remote = self._remote.options(scheduling_strategy=_on(node))
            reference = remote.remote(self._job, again, self._progress)
            self._submitted[reference] = _Submitted(again, TrialWatch(), node, compares_hosts=True)
        return self._factors.release()

    def _compared(self, reference: Any) -> None:
        """Takes a run of the baseline that compares hosts."""
        node, outcome = self._submitted.pop(reference).node, None
        with contextlib.suppress(self._ray.exceptions.RayError):  # that host is lost
            outcome = self._ray.get(reference).outcome
        if self._factors is not None and node is not None:
            self._factors.measured(node, outcome)

    def _say_factors(self) -> None:
        """Notes each factor once."""
        assert self._factors is not None  # noqa: S101 - the caller has seen to it
        for node in set(self._factors.scores) - self._said:
            if (factor := self._factors.factor(node)) is not None:
                self._said.add(node)
                low, high = self._factors.interval(factor)
                self._note(
                    f"{factor.host}: the baseline reaches {factor.value:.2f} times its value on the host of trial 0"
                    f" (95% interval {low:.2f} to {high:.2f}); trials there are corrected by this factor"
                )

    def _elsewhere(self, submitted: _Submitted, report: Report) -> None:
        """Submits a trial again that came upon a worker of another kind than the study's."""
        if report.node not in self._others:
            self._others.add(report.node)
            found = differences(self.environment, report.facts.environment) if report.facts else []
            self._note(
                f"{report.host} joined the cluster but has other hardware or versions, so it is not used ({found[0]})"
            )
        self._counted_s = -_COUNT_S
        if not self.nodes():
            raise UsageError(f"--executor: ray, no node of the study's kind is left; {report.host} is of another")
        self.submit(submitted.trial, submitted.watch, self.home if submitted.node is not None else None)

    def _with_log(self, trial: Trial, report: Report) -> TrialOutcome:
        assert report.outcome is not None  # noqa: S101 - the caller has seen to it
        if not report.log:
            return report.outcome
        path = self._logs / f"trial-{trial.number:04d}{trial.repeat}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"# on {report.host}\n".encode() + report.log)
        return replace(report.outcome, log_path=path)


def _on(node: str, *, soft: bool = False) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=soft)


def _unrun(trial: Trial, kind: OutcomeKind, message: str) -> TrialOutcome:
    return TrialOutcome(kind, trial.candidate, trial.configs.texts(), None, message)
