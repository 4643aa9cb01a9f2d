"""How fast the hosts of a cluster are, by the baseline's trial on each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np

from autotune.objective import Objective
from autotune.outcome import HostFactor, TrialOutcome
from autotune.search import Ended, Trial, score

ROUNDS = 2  # the least that shows a deviation
SPREAD = 0.05  # guess: standard deviation of the factor's logarithm among hosts of one kind, "some percent"


@dataclass
class HostFactors:
    """Corrects what trials measured by the host they ran on.

    The factor of host h is ``exp(mean(log b_h) - mean(log b_0))``, where ``b_h`` are the baseline's scores on h and
    ``b_0`` those on the host of its trial. The standard error of its logarithm is ``s * sqrt(1/n_h + 1/n_0)``, where
    ``s`` is the deviation within a host, pooled over all hosts: the contrast of two groups of a one-way layout
    (Montgomery, Design and Analysis of Experiments, section 3.5). Logarithms, since hosts differ by a multiple.

    That hosts of one kind hardly differ is known beforehand: with the prior deviation `SPREAD`, the logarithm is
    multiplied by ``w = SPREAD^2 / (SPREAD^2 + error^2)``, and its error by ``sqrt(w)`` (Gelman et al., Bayesian Data
    Analysis, section 2.5). So a factor that noise made is near 1, and a measured one stays.

    Attributes:
        objective: What a trial is scored by.
        home: Ray's id of the node of the baseline's trial; empty until that ended.
        trial: The baseline's trial; None until it was submitted.
        hosts: Name of each node's host.
        scores: The baseline's scores by node.
        unusable: Nodes on which the baseline cannot be measured: their trials are taken as they stand.
        held: Trials that have ended and wait for the factor of their node.
        recalled: By a host's name, the factor that an earlier run of the study found; used if this run has no baseline.
        repeated: Whether the baseline's repeats on its own host were asked for.
    """

    objective: Objective
    home: str = ""
    trial: Trial | None = None
    hosts: dict[str, str] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    unusable: set[str] = field(default_factory=set)
    held: list[tuple[str, Ended]] = field(default_factory=list)
    recalled: dict[str, HostFactor] = field(default_factory=dict)
    repeated: bool = False

    def submitted(self, trial: Trial) -> None:
        """Takes note of the baseline's trial."""
        if trial.baseline:
            self.trial, self.home = trial, ""

    def ended(self, node: str, host: str, trial: Trial, outcome: TrialOutcome) -> Sequence[tuple[str, Trial]]:
        """Takes a trial that ended on a node; returns the runs of the baseline that are to be made, and where."""
        self.hosts[node] = host
        self.held.append((node, Ended(trial.number, outcome)))
        if trial.baseline:
            self.home = node
            self.measured(node, outcome)
        if self.trial is None or not self.home or self.home in self.unusable:
            return []
        runs: list[tuple[str, Trial]] = []
        others = [each for each, _ in self.held if each not in self.scores and each not in self.unusable]
        for each in dict.fromkeys(others):
            self.scores[each] = []
            runs += [(each, self._again(each, number)) for number in range(1, ROUNDS + 1)]
        if runs and not self.repeated:
            self.repeated = True
            runs += [(self.home, self._again(self.home, number)) for number in range(2, ROUNDS + 1)]
        return runs

    def lost(self, trial: Trial) -> None:
        """Takes note of a trial that could not be run: without the baseline's, nothing is corrected."""
        if trial.baseline:
            self.trial = None

    def measured(self, node: str, outcome: TrialOutcome | None) -> None:
        """Takes a run of the baseline on a node; None if it was lost."""
        if outcome is None or not outcome.feasible:
            self.unusable.add(node)
        else:
            self.scores.setdefault(node, []).append(score(outcome, self.objective))

    def release(self) -> Ended | None:
        """A trial that needs to wait no longer, corrected; None if there is none."""
        for place, (node, ended) in enumerate(self.held):
            if self._known(node):
                del self.held[place]
                return replace(ended, outcome=replace(ended.outcome, host_factor=self.factor(node)))
        return None

    def factor(self, node: str) -> HostFactor | None:
        """The factor of a node; None if its trials are taken as they stand."""
        if self.trial is None:
            return self.recalled.get(self.hosts[node])
        if node == self.home or not self._comparable(node):
            return None
        own, home = (np.log(self.scores[each]) for each in (node, self.home))
        error = self.deviation * math.sqrt(1 / len(own) + 1 / len(home))
        weight = SPREAD**2 / (SPREAD**2 + error**2)
        value = math.exp(weight * float(own.mean() - home.mean()))
        return HostFactor(self.hosts[node], value, math.sqrt(weight) * error)

    @property
    def deviation(self) -> float:
        """Standard deviation of the logarithm of a score within a host, pooled over the hosts."""
        logs = [np.log(each) for each in self.scores.values() if each]
        squares = sum(float(((each - each.mean()) ** 2).sum()) for each in logs)
        freedom = sum(len(each) - 1 for each in logs)
        return math.sqrt(squares / freedom) if freedom else 0.0

    def interval(self, factor: HostFactor, confidence: float = 0.95) -> tuple[float, float]:
        """The interval that holds a factor's long-run value."""
        half = NormalDist().inv_cdf((1 + confidence) / 2) * factor.deviation
        return factor.value * math.exp(-half), factor.value * math.exp(half)

    def speeds(self) -> dict[str, float]:
        """By node, how many times the rates of the baseline's host it reaches; none where latency is scored."""
        factors = {node: self.factor(node) for node in self.scores} if self.objective.maximise else {}
        return {node: factor.value for node, factor in factors.items() if factor}

    def _known(self, node: str) -> bool:
        if self.trial is None or {node, self.home} & self.unusable:
            return True
        return bool(self.home) and (node == self.home or self._comparable(node))

    def _comparable(self, node: str) -> bool:
        if {node, self.home} & self.unusable:
            return False
        return all(len(self.scores.get(each, ())) >= ROUNDS for each in (node, self.home))

    def _again(self, node: str, number: int) -> Trial:
        assert self.trial is not None  # noqa: S101 - the caller has seen to it
        question = replace(self.trial.question, seed=number)  # other arrivals
        return replace(self.trial, question=question, repeat=f"-{self.hosts[node]}-{number}", baseline=False)
