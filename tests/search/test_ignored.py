"""A field that the model's backend ignores is noted once, and not searched on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from predicted_trials import BASE, outcome
from stored_trials import HERE

from autotune.outcome import TrialOutcome
from autotune.repository import ConfigSet
from autotune.search._ignored import IgnoredFields
from autotune.search._options import SearchOptions
from autotune.space import Candidate, JointSpace, SearchSpace
from autotune.store import TrialRecord

THREADS = "parameters.intra_op_thread_count"
SPACE = f"parameters:\n  instance_count: [1, 2]\nfields:\n  {THREADS}: ['1', '2', '4']\n"


def fields() -> IgnoredFields:
    space = JointSpace({"net": SearchSpace.parse(SPACE, "space")})
    return IgnoredFields(space, ConfigSet.of(BASE), SearchOptions())


def trial(threads: str, slower: float = 1.0, instances: int = 1) -> TrialRecord:
    """A trial whose executions took so many times as long."""
    candidate = Candidate((("instance_count", instances), (THREADS, threads)))
    ended: TrialOutcome = outcome(candidate, instances, 1000.0)
    assert ended.measurement is not None
    probes = []
    for probe in ended.measurement.probes:
        taken = {size: round(slower * ns) for size, ns in probe.server.batch_compute_ns.items()}
        probes.append(replace(probe, server=replace(probe.server, batch_compute_ns=taken)))
    measured = replace(ended.measurement, probes=tuple(probes), instances=instances)
    ended = replace(ended, measurement=measured)
    return TrialRecord(0, 0, "proposed", ended, "trial", "net", None, HERE)  # type: ignore[arg-type]


def candidate(threads: str) -> Candidate:
    return Candidate((("instance_count", 1), (THREADS, threads)))


def test_equal_executions_with_every_value_are_noted_once_and_one_value_is_kept() -> None:
    found = fields()
    trials = [trial("1"), trial("2", 1.01), trial("4", 0.99)]
    assert "makes no difference" in found.learn(trials)
    assert found.learn(trials) == ""
    assert [found.avoids(candidate(each)) for each in ("1", "2", "4")] == [False, True, True]


@pytest.mark.parametrize(
    "trials",
    [
        [trial("1"), trial("2")],  # one value was not tried
        [trial("1"), trial("2"), trial("4", 1.2)],
        [trial("1"), trial("2"), trial("4", instances=2)],  # nothing to compare with
    ],
)
def test_a_field_that_may_matter_is_searched_on(trials: list[TrialRecord]) -> None:
    found = fields()
    assert found.learn(trials) == ""
    assert not any(found.avoids(candidate(each)) for each in ("1", "2", "4"))
