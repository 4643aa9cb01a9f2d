"""Several models' spaces, searched as one."""

from pathlib import Path

import pytest

from autotune.errors import UsageError
from autotune.repository import ConfigSet, ModelConfig, ModelSpec
from autotune.space import JointSpace, SearchSpace

TEXT = "parameters: {max_batch_size: [1, 4, 16], dynamic_batching: [true, false], instance_count: [1, 2]}"
BATCHED = 'backend: "python" max_batch_size: 4 instance_group { count: 1 kind: KIND_CPU }'
ENSEMBLE = 'platform: "ensemble" max_batch_size: 4 ensemble_scheduling { step [ { model_name: "a" } ] }'


def spec(name: str, config: str = BATCHED) -> ModelSpec:
    parsed = ModelConfig.parse(f'name: "{name}" {config}', "config.pbtxt")
    dimension = "dynamic" if parsed.max_batch_size else "fixed"
    return ModelSpec(name, Path(name), parsed, has_config=True, batch_dimension=dimension, versions=(1,))


@pytest.fixture
def models() -> tuple[ModelSpec, ...]:
    return spec("both", ENSEMBLE), spec("a"), spec("b")


@pytest.fixture
def base(models: tuple[ModelSpec, ...]) -> ConfigSet:
    return ConfigSet(tuple(each.config for each in models))


@pytest.fixture
def space(models: tuple[ModelSpec, ...]) -> JointSpace:
    return JointSpace.of(SearchSpace.parse(TEXT, "s"), models)[0]


def test_an_ensembles_steps_are_searched_and_the_ensemble_is_not(space: JointSpace) -> None:
    assert list(space.spaces) == ["a", "b"]
    assert all("/" in name for name in space.distributions())


def test_steps_take_no_smaller_batches_than_their_ensemble(space: JointSpace) -> None:
    batches = {candidate["a/max_batch_size"] for candidate in space.candidates()}
    assert batches == {4, 16}


def test_a_step_keeps_its_batch_size_if_the_space_has_only_smaller_ones(models: tuple[ModelSpec, ...]) -> None:
    """Triton would refuse every other config: a step takes batches as large as its ensemble."""
    small, notes = JointSpace.of(SearchSpace.parse(TEXT.replace("[1, 4, 16]", "[1, 2]"), "s"), models)
    assert "a/max_batch_size" not in small.distributions()
    assert "a: no max_batch_size of the space reaches the ensemble's 4; it keeps its own" in notes
    base = ConfigSet(tuple(each.config for each in models))
    assert {config.max_batch_size for each in small.candidates() for config in small.apply(each, base)} == {4}
    with pytest.raises(UsageError, match=r"nothing is left to search: .* reaches the ensemble's 4"):
        JointSpace.of(SearchSpace.parse("parameters: {max_batch_size: [1, 2]}", "s"), models)


def test_every_candidate_is_one_of_each_models(space: JointSpace) -> None:
    found = list(space.candidates())
    assert len({each.key for each in found}) == len(found) == space.size
    assert all(each in space for each in found)
    for each in found[::7]:
        assert space.canonical(space.optuna_params(each)) == each


def test_a_candidate_changes_each_models_config_and_is_found_in_them_again(space: JointSpace, base: ConfigSet) -> None:
    for candidate in list(space.candidates())[::5]:
        configs = space.apply(candidate, base)
        assert configs.asked == base.asked
        assert space.locate(configs) == candidate


def test_with_part_changes_one_model_only(space: JointSpace) -> None:
    first, *_, last = space.candidates()
    mixed = space.with_part(first, "b", space.part(last, "b"))
    assert space.part(mixed, "a") == space.part(first, "a")
    assert space.part(mixed, "b") == space.part(last, "b")


def test_one_model_alone_keeps_its_plain_names_and_digest() -> None:
    whole = SearchSpace.parse(TEXT, "s")
    alone, _ = JointSpace.of(whole, [spec("a")])
    assert alone.digest == whole.restricted_to(spec("a"))[0].digest
    assert alone.distributions().keys() == whole.distributions().keys()


def test_a_pipeline_of_which_nothing_can_be_searched_is_refused() -> None:
    only_batches = SearchSpace.parse("parameters: {max_batch_size: [1, 2]}", "s")
    with pytest.raises(UsageError, match="nothing is left to search"):
        JointSpace.of(only_batches, [spec("both", ENSEMBLE), spec("a", 'backend: "python"')])
