import random

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from autotune.repository import ModelConfig
from autotune.space import Candidate, SearchSpace

SPACES = {
    "default": SearchSpace.default(),
    "always batching": SearchSpace.parse(
        "parameters: {max_batch_size: [1, 4, 16], max_queue_delay_microseconds: [50, 70], preferred_batch_size: [[8]]}",
        "x",
    ),
    "batching forced on": SearchSpace.parse(
        "parameters: {max_batch_size: [1, 8], dynamic_batching: [true], max_queue_delay_microseconds: [10, 20]}", "x"
    ),
    "fields": SearchSpace.parse(
        "parameters: {dynamic_batching: [true, false], instance_kind: [KIND_CPU, KIND_GPU], instance_count: [1, 3]}\n"
        "fields:\n"
        "  parameters.threads: [null, 1, 2.5]\n"
        "  dynamic_batching.preserve_ordering: [true, false]\n"
        "  optimization.execution_accelerators.cpu_execution_accelerator[0].name: [null, openvino]\n"
        "  instance_group[0].rate_limiter.resources: [[{name: R, count: 1}], [{name: R, count: 2}]]\n",
        "x",
    ),
    "batch sizes that are no powers of two": SearchSpace.parse(
        "parameters: {max_batch_size: [3, 5, 48], preferred_batch_size: [none, [4], [4, 8], [8], [64]]}", "x"
    ),
    "powers of two": SearchSpace.parse("parameters: {max_batch_size: {low: 1, high: 64, scale: log2}}", "x"),
    "one candidate": SearchSpace.parse("parameters: {instance_count: 2}", "x"),
}

BASES = {
    "empty": "",
    "plain": 'name: "m" backend: "python" max_batch_size: 8 dynamic_batching { }',
    "gpu": 'name: "m" platform: "tensorrt_plan" max_batch_size: 64 '
    "instance_group [ { count: 1 kind: KIND_GPU gpus: [ 0, 1 ] shards: 2 } ] "
    "dynamic_batching { preferred_batch_size: [ 32, 64 ] max_queue_delay_microseconds: 300 fairness: 1 } "
    'model_warmup [ { name: "w" batch_size: 64 } ] parameters { key: "threads" value { string_value: "8" } } '
    'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }',
    "two groups": "max_batch_size: 4 instance_group [ { count: 1 kind: KIND_CPU }, { count: 2 kind: KIND_CPU } ]",
    "batch in the dims": 'max_batch_size: 0 input { name: "x" dims: [ -1, 4 ] } output { name: "y" dims: [ -1, 2 ] }',
}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES)
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_candidate_can_be_applied_found_again_and_told_to_optuna(space, base):
    base = ModelConfig.parse(base, "base")
    distributions = space.distributions()
    candidates = list(space.candidates())
    assert len(candidates) == space.size == len({each.key for each in candidates})
    configs = set()
    for candidate in random.Random(1).sample(candidates, min(60, len(candidates))):
        config = space.apply(candidate, base)
        assert ModelConfig.parse(config.to_text(), "applied") == config
        assert space.apply(candidate, config) == config
        assert space.locate(config) == candidate
        params = space.optuna_params(candidate)
        assert params.keys() == distributions.keys()
        assert all(each._contains(each.to_internal_repr(params[name])) for name, each in distributions.items())
        assert space.canonical(params) == candidate
        configs.add(config)
    assert len(configs) == min(60, len(candidates))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_whatever_optuna_draws_is_a_candidate_of_the_space(space):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    candidates = set(space.candidates())
    for _ in range(60):
        assert space.canonical(study.ask(space.distributions()).params) in candidates


def drawn(space, **values):
    return space.canonical(values)


def test_without_dynamic_batching_delay_and_preferred_sizes_collapse():
    space = SPACES["default"]
    fixed = {"log2_max_batch_size": 3.0, "instance_count": 1, "instance_kind": "auto", "dynamic_batching": False}
    one = drawn(space, **fixed, max_queue_delay_microseconds=500, preferred_batch_size="8")
    other = drawn(space, **fixed, max_queue_delay_microseconds=0, preferred_batch_size="none")
    assert one == other
    assert one.key == other.key
    assert "dynamic_batching" not in space.apply(one, ModelConfig.empty()).to_text()


def test_without_batching_the_largest_batch_is_no_choice():
    unbatched = [each for each in SPACES["default"].candidates() if not each["dynamic_batching"]]
    assert [each["max_batch_size"] for each in unbatched] == [64] * 4  # instance counts
    assert all(each["max_batch_size"] > 1 for each in SPACES["default"].candidates())


@pytest.mark.parametrize(("own", "applied"), [(1, 1), (8, 8), (128, 128), (0, 64)])
def test_a_config_without_dynamic_batching_keeps_its_largest_batch(own: int, applied: int) -> None:
    """It has no effect there, so the exported config does not change it; batching that is new needs a size."""
    space = SPACES["default"]
    base = ModelConfig.parse(f"max_batch_size: {own} dynamic_batching {{ }}", "x")
    plain = next(each for each in space.candidates() if not each["dynamic_batching"])
    config = space.apply(plain, base)
    assert config.max_batch_size == applied
    assert space.locate(config) == plain


def test_preferred_sizes_over_the_largest_batch_are_dropped():
    space = SPACES["batch sizes that are no powers of two"]
    preferred = {(each["max_batch_size"], each["preferred_batch_size"]) for each in space.candidates()}
    assert preferred == {(3, "none"), (5, "none"), (5, "4"), (48, "none"), (48, "4"), (48, "4,8"), (48, "8")}


def test_a_space_is_refined_by_what_lies_next_to_the_best_config():
    space = SPACES["default"]
    best = space.triton_default(ModelConfig.parse("max_batch_size: 32", "x"))
    assert space.is_coarse(best)
    around = space.refinements(best)
    tried = [(each["max_batch_size"], each["max_queue_delay_microseconds"]) for each in around]
    assert tried == [(size, delay_us) for size in (24, 40, 48, 56) for delay_us in (0, 100)]
    assert not any(space.is_coarse(each) for each in around)
    assert {each["instance_count"] for each in around} == {best["instance_count"]}
    assert [space.coarsened(each)["max_batch_size"] for each in around[::2]] == [32, 32, 64, 64]


def test_a_refinement_is_refined_by_what_lies_next_to_it():
    space = SPACES["default"]
    best = space.triton_default(ModelConfig.parse("max_batch_size: 32", "x"))
    best = Candidate.from_dict({**best.as_dict(), "max_batch_size": 48, "max_queue_delay_microseconds": 5000})
    tried = [(each["max_batch_size"], each["max_queue_delay_microseconds"]) for each in space.refinements(best)]
    around = [(size, delay_us) for size in (40, 48, 56) for delay_us in (5000, 2000, 7000)]
    assert tried == [each for each in around if each != (48, 5000)]


def test_nothing_is_refined_where_the_batch_size_has_no_effect():
    space = SPACES["default"]
    unbatched = next(each for each in space.candidates() if not each["dynamic_batching"])
    assert space.refinements(unbatched) == ()
    assert SPACES["powers of two"].refinements(next(SPACES["powers of two"].candidates())) == ()


def test_a_candidate_of_another_space_is_none_of_this_one():
    default, other = SPACES["default"], SPACES["powers of two"]
    assert all(candidate in other for candidate in other.candidates())
    assert next(default.candidates()) not in other
    assert next(other.candidates()) not in default


def test_distributions_keep_the_order_of_numbers():
    distributions = SPACES["default"].distributions()
    assert distributions["log2_max_batch_size"] == FloatDistribution(0, 6)
    assert SPACES["powers of two"].distributions() == {"log2_max_batch_size": IntDistribution(0, 6)}
    assert distributions["instance_count"] == IntDistribution(1, 4)
    assert isinstance(distributions["max_queue_delay_microseconds"], CategoricalDistribution)
    assert SPACES["one candidate"].distributions() == {"instance_count": IntDistribution(2, 2)}


def test_applying_keeps_what_the_space_does_not_touch():
    space = SearchSpace.parse("parameters: {max_batch_size: [8], dynamic_batching: [true], instance_count: [3]}", "x")
    base = ModelConfig.parse(BASES["gpu"], "base")
    (candidate,) = space.candidates()
    config = space.apply(candidate, base)
    assert config.value("instance_group") == ({"kind": "KIND_GPU", "count": 3, "gpus": (0, 1)},)
    assert config.value("dynamic_batching.max_queue_delay_microseconds") == 300
    assert "fairness: 1" in config.to_text()
    assert "shards: 2" in config.to_text()


def test_applying_cuts_what_triton_would_refuse_beside_a_smaller_batch():
    space = SearchSpace.parse("parameters: {max_batch_size: [32]}", "x")
    config = space.apply(next(space.candidates()), ModelConfig.parse(BASES["gpu"], "base"))
    assert config.value("dynamic_batching.preferred_batch_size") == (32,)
    assert config.value("model_warmup[0].batch_size") == 32


def test_a_batch_dimension_in_the_dims_makes_room_for_max_batch_size():
    space = SearchSpace.parse("parameters: {max_batch_size: [4]}", "x")
    config = space.apply(next(space.candidates()), ModelConfig.parse(BASES["batch in the dims"], "base"))
    assert config.value("input[0].dims") == (4,)
    assert config.value("output[0].dims") == (2,)


def test_instances_moved_to_a_cpu_lose_their_gpus():
    space = SearchSpace.parse("parameters: {instance_kind: [KIND_CPU]}", "x")
    config = space.apply(next(space.candidates()), ModelConfig.parse(BASES["gpu"], "base"))
    assert config.value("instance_group") == ({"kind": "KIND_CPU", "count": 1},)


@pytest.mark.parametrize(
    "text",
    [
        "max_batch_size: 44 instance_group { count: 1 } dynamic_batching { }",
        "max_batch_size: 128 instance_group { count: 1 } dynamic_batching { }",
        "max_batch_size: 8 instance_group { count: 7 }",
        "max_batch_size: 8 instance_group [ { count: 1 }, { count: 2 } ]",
        "max_batch_size: 8 instance_group { count: 1 } dynamic_batching { max_queue_delay_microseconds: 123 }",
        "max_batch_size: 8 instance_group { count: 1 } dynamic_batching { preferred_batch_size: [ 2 ] }",
        'max_batch_size: 8 backend: "onnxruntime"',
        "instance_group { count: 1 }",
    ],
)
def test_a_config_outside_the_space_is_not_located(text):
    assert SPACES["default"].locate(ModelConfig.parse(text, "x")) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('max_batch_size: 8 backend: "python"', 1),
        ('max_batch_size: 8 platform: "onnxruntime_onnx" instance_group { kind: KIND_GPU }', 1),
        ('max_batch_size: 8 platform: "onnxruntime_onnx" instance_group { count: 2 }', 2),
        ('max_batch_size: 1 backend: "python" dynamic_batching { max_queue_delay_microseconds: 123 }', 1),
    ],
)
def test_a_config_inside_the_space_is_located_with_tritons_defaults(text, count):
    found = SPACES["default"].locate(ModelConfig.parse(text, "x"))
    assert found is not None
    assert found["instance_count"] == count


@pytest.mark.parametrize(("batch", "expected"), [(48, 32), (8, 8), (1, 4), (0, 4)])
def test_tritons_default_is_one_instance_with_plain_dynamic_batching(batch, expected):
    space = SPACES["default"]
    config = ModelConfig.parse(f'max_batch_size: {batch} backend: "python" instance_group {{ count: 3 }}', "x")
    default = space.triton_default(config)
    assert default is not None
    applied = space.apply(default, config)
    assert applied.value("dynamic_batching") == {}
    assert (applied.max_batch_size, applied.instance_count) == (expected, 1)


@pytest.mark.parametrize(
    "text",
    [
        "parameters: {instance_count: [1, 2]}",
        "parameters: {max_batch_size: [8], dynamic_batching: [false]}",
        "parameters: {max_batch_size: [8], dynamic_batching: [true], max_queue_delay_microseconds: [100]}",
        "parameters: {max_batch_size: [1], dynamic_batching: [true, false]}",
    ],
)
def test_there_is_no_default_where_the_space_has_no_plain_batching(text):
    assert SearchSpace.parse(text, "x").triton_default(ModelConfig.parse("max_batch_size: 8", "x")) is None


def test_the_digest_tells_spaces_apart():
    assert SPACES["default"].digest == SearchSpace.default().digest
    assert len({space.digest for space in SPACES.values()}) == len(SPACES)
    assert len(SPACES["default"].digest) == 64


def test_a_space_describes_itself():
    rows = dict(SPACES["fields"].describe())
    assert rows["dynamic_batching"] == "true, false"
    assert rows["parameters.threads"] == "unset, 1, 2.5"


@pytest.mark.parametrize(
    ("kinds", "moves"),
    [("KIND_CPU", True), ("[auto, KIND_CPU]", True), ("[auto, KIND_GPU]", False), ("KIND_GPU", False)],
)
def test_only_a_space_with_kind_cpu_moves_instances_off_gpus(kinds: str, moves: bool) -> None:
    assert SearchSpace.parse(f"parameters: {{instance_kind: {kinds}}}", "x.yaml").moves_off_gpus is moves


@pytest.mark.parametrize(
    ("asked", "served", "values"),
    [
        ("max_batch_size: 2", "max_batch_size: 16", {"max_batch_size": 16, "dynamic_batching": True}),
        (
            "max_batch_size: 2 dynamic_batching { }",
            "max_batch_size: 16 dynamic_batching { preferred_batch_size: 4 }",
            {"max_batch_size": 16, "dynamic_batching": True, "preferred_batch_size": "4"},
        ),
        ("max_batch_size: 2 dynamic_batching { }", "max_batch_size: 2", {"dynamic_batching": False}),
        (
            "max_batch_size: 2 instance_group { count: 2 }",
            "max_batch_size: 2 instance_group { count: 1 }",
            {"instance_count": 1},
        ),
        ("max_batch_size: 2 dynamic_batching { }", 'max_batch_size: 2 dynamic_batching { } backend: "python"', {}),
    ],
)
def test_a_candidate_as_served_has_the_changed_values_and_keeps_the_others(asked, served, values):
    space = SearchSpace.parse(
        "parameters: {max_batch_size: [2, 8], dynamic_batching: [true, false], "
        "preferred_batch_size: [none, [4]], instance_count: [1, 2]}",
        "x",
    )
    before = {"max_batch_size": 2, "dynamic_batching": True, "preferred_batch_size": "none", "instance_count": 2}
    parse = ModelConfig.parse
    found = space.as_served(Candidate.from_dict(before), parse(asked, "x"), parse(served, "x")).as_dict()
    assert found == {**before, **values}


def test_sizes_of_the_curve_are_combined_with_delays_and_instances_next_to_the_best() -> None:
    space = SearchSpace.parse(
        "parameters:\n"
        "  max_batch_size: {low: 1, high: 64, scale: log2, refine: 8}\n"
        "  max_queue_delay_microseconds: [0, 100, 1000]\n"
        "  instance_count: [1, 2, 3, 4]\n",
        "space",
    )
    best = Candidate((("max_batch_size", 16), ("max_queue_delay_microseconds", 0), ("instance_count", 2)))
    found = [each.as_dict() for each in space.refinements(best, (21, 70))]
    at_21 = {
        (each["max_queue_delay_microseconds"], each["instance_count"]) for each in found if each["max_batch_size"] == 21
    }
    assert at_21 == {(delay, count) for delay in (0, 100) for count in (1, 2, 3)}
    assert not any(each["max_batch_size"] == 70 for each in found)  # beyond the range


def test_a_size_that_is_no_choice_survives_optuna_and_is_coarsened() -> None:
    space = SearchSpace.parse("parameters:\n  max_batch_size: {low: 1, high: 64, scale: log2, refine: 8}\n", "space")
    candidate = Candidate((("max_batch_size", 21),))
    assert candidate in space
    assert space.canonical(space.optuna_params(candidate)) == candidate
    assert not space.is_listed(candidate)
    assert not space.is_coarse(candidate)
    assert space.coarsened(candidate)["max_batch_size"] == 16
    assert space.canonical({"log2_max_batch_size": 4.4})["max_batch_size"] in {16, 24}
