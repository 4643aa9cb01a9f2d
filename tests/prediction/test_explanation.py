"""What is said of a winner: what each parameter buys, what does not matter, how far to rely on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from predicted_trials import BASE, OBJECTIVE, SPACE, candidate, outcome

from autotune.objective import Objective
from autotune.outcome import OutcomeKind, TrialOutcome
from autotune.prediction import Coverage, Explanation, ParameterEffect, Predictor, explain
from autotune.repository import ConfigSet, ModelConfig
from autotune.space import Candidate, JointSpace, SearchSpace

OWN = BASE.with_value("instance_group.count", 1)


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace.parse(SPACE, "space.yaml")


@pytest.fixture
def trials(space: SearchSpace) -> dict[int, TrialOutcome]:
    """The person's config (batch 8, no batcher, one instance), two more, and a winner with the most of everything."""
    return {
        0: outcome(candidate(space, 8, 1, dynamic=False), 1, 400.0),
        1: outcome(candidate(space, 64, 1), 1, 3500.0),
        2: outcome(candidate(space, 8, 4), 4, None, beaten_by_per_s=3600.0),
        3: outcome(candidate(space, 64, 4), 4, 4000.0),
    }


def joint(space: SearchSpace) -> JointSpace:
    return JointSpace({OWN.name: space})


def learnt(space: SearchSpace, trials: dict[int, TrialOutcome], objective: Objective = OBJECTIVE) -> Predictor:
    predictor = Predictor.of_model(space, OWN, objective)
    predictor.learn(list(trials.values()))
    return predictor


def explained(
    space: SearchSpace,
    trials: dict[int, TrialOutcome],
    *,
    base: ModelConfig = OWN,
    winner: int | None = 3,
    min_gain: float = 0.02,
) -> Explanation:
    predictor = learnt(space, trials)
    return explain(
        JointSpace({base.name: space}),
        ConfigSet.of(base),
        OBJECTIVE,
        trials,
        winner=winner,
        predictor=predictor,
        min_gain=min_gain,
    )


def effects(explanation: Explanation) -> dict[str, ParameterEffect]:
    return {effect.parameter: effect for effect in explanation.effects}


def test_each_parameter_that_the_winner_changes_is_put_back_alone(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    found = explained(space, trials)
    assert found.against == "the baseline"
    assert {name: (each.value, each.instead_of) for name, each in effects(found).items()} == {
        "max_batch_size": (64, 8),
        "dynamic_batching": (True, False),
        "instance_count": (4, 1),
    }
    predicted = {name: each.predicted for name, each in effects(found).items()}
    assert predicted["dynamic_batching"] is not None
    assert predicted["dynamic_batching"] > 3
    forecasts = [learnt(space, trials).forecast(candidate(space, 64, instances)) for instances in (4, 1)]
    assert predicted["instance_count"] == pytest.approx(forecasts[0].expected / forecasts[1].expected)  # type: ignore[union-attr]


def test_what_it_buys_is_measured_where_a_trial_had_that_config(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    found = effects(explained(space, trials))
    located, beaten, untried = (found[name] for name in ("instance_count", "max_batch_size", "dynamic_batching"))
    assert located.measured == pytest.approx(4000 / 3500)
    assert (located.at_least, located.trial) == (False, 1)
    assert beaten.measured == pytest.approx(4000 / 3600)
    assert (beaten.at_least, beaten.trial) == (True, 2)
    assert (untried.measured, untried.trial) == (None, None)


def test_a_config_that_broke_the_promise_is_infinitely_worse_and_one_the_client_failed_says_nothing(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    broke = {**trials, 1: replace(trials[1], kind=OutcomeKind.INFEASIBLE)}
    assert effects(explained(space, broke))["instance_count"].measured == float("inf")
    untold = {**trials, 1: replace(trials[1], kind=OutcomeKind.CLIENT_FAILED)}
    assert effects(explained(space, untold))["instance_count"].trial is None


def test_a_lower_latency_is_a_gain(space: SearchSpace, trials: dict[int, TrialOutcome]) -> None:
    def with_p99(number: int, seconds: float) -> TrialOutcome:
        measured = trials[number].measurement
        assert measured is not None
        return replace(trials[number], measurement=replace(measured, latency_s={"p99": seconds}))

    objective = Objective("latency", (), rate_per_s=20.0)
    timed = {0: trials[0], 1: with_p99(1, 0.006), 3: with_p99(3, 0.004)}
    predictor = learnt(space, timed, objective)
    found = explain(
        JointSpace({OWN.name: space}), ConfigSet.of(OWN), objective, timed, winner=3, predictor=predictor, min_gain=0.02
    )
    assert effects(found)["instance_count"].measured == pytest.approx(1.5)


def test_a_config_outside_the_space_is_replaced_by_tritons_default(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    found = explained(space, trials, base=BASE.with_value("instance_group.count", 7))
    assert found.against == "Triton's default batching"
    assert set(effects(found)) == {"max_batch_size", "instance_count"}


def test_a_winner_that_is_the_persons_own_config_has_nothing_to_be_put_back(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    found = explained(space, trials, winner=0)
    assert found.effects == ()
    assert found.against == ""


def test_what_has_no_effect_in_the_winner_is_put_back_silently(space: SearchSpace) -> None:
    """A winner without batcher against a config with one: only the batcher, its delay and size included, counts."""
    base = OWN.with_value("dynamic_batching.max_queue_delay_microseconds", 1000)
    trials = {
        0: outcome(candidate(space, 8, 1, delay=1000), 1, 2000.0),
        1: outcome(candidate(space, 8, 1, dynamic=False), 1, 4000.0),
        2: outcome(candidate(space, 64, 4), 4, 3000.0),
    }
    found = effects(explained(space, trials, base=base, winner=1))
    assert set(found) == {"dynamic_batching"}
    assert found["dynamic_batching"].measured == pytest.approx(2.0)
    assert found["dynamic_batching"].trial == 0


def test_a_parameter_matters_where_another_choice_changes_what_is_predicted(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    assert {"max_batch_size", "dynamic_batching"}.isdisjoint(explained(space, trials).without_effect)
    assert set(explained(space, trials, min_gain=1e6).without_effect) == {each.name for each in space.parameters}
    unbatched = explained(space, trials, winner=0)
    assert {"max_batch_size", "max_queue_delay_microseconds"} <= set(unbatched.without_effect)
    assert "dynamic_batching" not in unbatched.without_effect


def test_nothing_is_said_not_to_matter_that_the_simulation_knows_nothing_of(trials: dict[int, TrialOutcome]) -> None:
    space = SearchSpace.parse(SPACE + "fields:\n  parameters.threads: ['1', '2']\n", "space.yaml")
    tried = {number: replace(each, candidate=_with_threads(each, "1")) for number, each in trials.items()}
    found = explained(space, tried, min_gain=1e6)
    assert "parameters.threads" not in found.without_effect
    assert found.coverage == Coverage(space.size, 4, 0, space.size - 4)


def test_what_a_parameter_buys_that_the_simulation_knows_nothing_of_is_measured_or_not_said(
    trials: dict[int, TrialOutcome],
) -> None:
    space = SearchSpace.parse(SPACE + "fields:\n  parameters.threads: ['1', '2']\n", "space.yaml")
    tried = {0: replace(trials[0], candidate=_with_threads(trials[0], "1"))}
    tried[3] = replace(trials[3], candidate=_with_threads(trials[3], "2"))
    base = OWN.with_value("parameters.threads", "1")
    assert "parameters.threads" not in effects(explained(space, tried, base=base))
    tried[4] = replace(trials[1], candidate=_with_threads(trials[3], "1"))
    found = effects(explained(space, tried, base=base))["parameters.threads"]
    assert (found.value, found.instead_of, found.predicted, found.trial) == ("2", "1", None, 4)
    assert found.measured == pytest.approx(4000 / 3500)


def test_coverage_counts_what_was_tried_simulated_and_neither(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    assert explained(space, trials).coverage == Coverage(space.size, 4, space.size - 4, 0)
    outside = {**trials, 4: replace(trials[0], candidate=None)}
    assert explained(space, outside).coverage.tried == 4


def test_agreement_is_of_the_located_trials_and_has_no_ranks_below_four(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    few = explained(space, trials).agreement
    assert few is not None
    assert (few.trials, few.rank_correlation) == (3, None)
    predictor = learnt(space, trials)
    exact = {
        number: outcome(each, 1, 0.5 * forecast.simulated)
        for number, each in enumerate(list(space.candidates())[:6])
        if (forecast := predictor.forecast(each))
    }
    agreed = explain(
        JointSpace({OWN.name: space}),
        ConfigSet.of(OWN),
        OBJECTIVE,
        exact,
        winner=None,
        predictor=predictor,
        min_gain=0.02,
    ).agreement
    assert agreed is not None
    assert agreed.trials == 6
    assert agreed.rank_correlation == pytest.approx(1.0)
    assert agreed.median_error == pytest.approx(1.0)


def test_without_a_winner_coverage_and_agreement_are_left(space: SearchSpace, trials: dict[int, TrialOutcome]) -> None:
    found = explained(space, trials, winner=None)
    assert (found.effects, found.without_effect, found.against) == ((), (), "")
    assert found.agreement is not None
    assert found.coverage.tried == 4


def test_without_a_simulation_only_what_was_measured_is_said_and_why(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    found = explain(
        JointSpace({OWN.name: space}), ConfigSet.of(OWN), OBJECTIVE, trials, winner=3, predictor=None, min_gain=0.02
    )
    assert found.not_simulated == "only --sampler model simulates"
    assert found.coverage == Coverage(space.size, 4, 0, space.size - 4)
    assert (found.agreement, found.without_effect) == (None, ())
    assert set(effects(found)) == {"max_batch_size", "instance_count"}
    assert all(each.predicted is None for each in found.effects)


def test_goodput_says_why_it_is_not_simulated(space: SearchSpace, trials: dict[int, TrialOutcome]) -> None:
    goodput = Objective("goodput", (), rate_per_s=100.0, goodput_s=0.005)
    joint = JointSpace({OWN.name: space})
    predictor = Predictor.of_model(space, OWN, goodput)
    found = explain(joint, ConfigSet.of(OWN), goodput, trials, winner=3, predictor=predictor, min_gain=0.02)
    assert found.not_simulated == "goodput is not simulated"


def test_an_ensemble_says_why_it_is_not_simulated() -> None:
    ensemble = ModelConfig.parse(
        'name: "e"\nplatform: "ensemble"\nmax_batch_size: 8\nensemble_scheduling { step [] }\n', "config.pbtxt"
    )
    space = SearchSpace.parse("parameters:\n  max_batch_size: [1, 8]\n", "s")
    predictor = Predictor.of_model(space, ensemble, OBJECTIVE)
    found = explain(
        JointSpace({ensemble.name: space}),
        ConfigSet.of(ensemble),
        OBJECTIVE,
        {},
        winner=None,
        predictor=predictor,
        min_gain=0.02,
    )
    assert found.not_simulated == "the simulator does not know how Triton batches such a model"
    assert found.coverage == Coverage(2, 0, 0, 2)


def test_a_doubted_simulation_is_said_to_be_and_claims_nothing_without_effect(
    space: SearchSpace, trials: dict[int, TrialOutcome]
) -> None:
    predictor = learnt(space, trials)
    predictor.doubt = "its ranks agree poorly with those measured"
    found = explain(
        JointSpace({OWN.name: space}), ConfigSet.of(OWN), OBJECTIVE, trials, winner=0, predictor=predictor, min_gain=1e6
    )
    assert found.doubt == predictor.doubt
    assert found.without_effect == ()


def _with_threads(each: TrialOutcome, threads: str) -> Candidate:
    assert each.candidate is not None
    return Candidate.from_dict({**each.candidate.as_dict(), "parameters.threads": threads})
