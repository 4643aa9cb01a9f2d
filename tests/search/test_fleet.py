"""Several models: the order in which they are tuned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pretended_studies import PretendedExecutor, plan, run

from autotune.search import longest_first
from autotune.store import Store


def test_without_studies_the_largest_model_comes_first() -> None:
    assert longest_first([("small", 10), ("large", 1000), ("middle", 100)], None) == ["large", "middle", "small"]


def test_models_follow_the_time_that_their_trials_took(tmp_path: Path, store: Store) -> None:
    for name, seconds in (("quick", 1.0), ("slow", 9.0)):
        asked = plan(tmp_path, trials=2)
        spec = replace(asked.spec, name=name)
        run(replace(asked, name=name, models=(spec,)), store, PretendedExecutor(seconds=seconds))

    assert longest_first([("quick", 1000), ("slow", 10), ("new", 1)], store) == ["new", "slow", "quick"]


def test_the_latest_study_of_a_model_counts(tmp_path: Path, store: Store) -> None:
    for name, model, seconds in (("first", "a", 1.0), ("other", "b", 5.0), ("latest", "a", 9.0)):
        asked = plan(tmp_path, trials=2)
        spec = replace(asked.spec, name=model)
        run(replace(asked, name=name, models=(spec,)), store, PretendedExecutor(seconds=seconds))
    assert longest_first([("b", 1), ("a", 1)], store) == ["a", "b"]
