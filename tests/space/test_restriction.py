from pathlib import Path

import pytest
from tiny_models import write_onnx

from autotune.errors import UsageError
from autotune.repository import ModelConfig, ModelRepository, ModelSpec, TensorSpec
from autotune.space import SearchSpace

EXAMPLES = Path(__file__).parents[2] / "model_repository"
BATCHING = {"max_batch_size", "dynamic_batching", "max_queue_delay_microseconds", "preferred_batch_size"}

SIZE = "parameters: {max_batch_size: [4], instance_count: [1]}"
BATCHER_ALONE = "parameters: {dynamic_batching: [true], instance_count: [1]}"


def spec(config, batch="dynamic", has_config=True, inputs=()):
    return ModelSpec("m", Path("m"), ModelConfig.parse(config, "m"), has_config, tuple(inputs), (), batch, (1,))


def space(text):
    return SearchSpace.parse(text, "x.yaml")


def names(restricted):
    return {parameter.name for parameter in restricted.parameters}


def test_a_model_that_batches_keeps_the_whole_space():
    restricted, notes = SearchSpace.default().restricted_to(ModelRepository(EXAMPLES).model("mnist"))
    assert restricted == SearchSpace.default()
    assert notes == ()


def test_a_fixed_batch_dimension_leaves_instances_and_says_so():
    model = ModelRepository(EXAMPLES).model("mnist_static")
    restricted, notes = SearchSpace.default().restricted_to(model)
    assert not names(restricted) & BATCHING
    assert notes == (
        "mnist_static: its batch dimension is fixed at 1, so there is no batching to search; "
        "searching instance_count only",
    )
    for candidate in restricted.candidates():
        config = restricted.apply(candidate, model.config)
        assert config.max_batch_size == 0
        assert config.value("input") == model.config.value("input")


def test_a_batch_dimension_that_is_not_there_is_said():
    _, notes = SearchSpace.default().restricted_to(spec('backend: "python"', "fixed"))
    assert "it has no batch dimension, so there is no batching to search" in notes[0]


@pytest.mark.parametrize(
    ("config", "text", "batches"),
    [
        ("input { dims: [ -1, 4 ] }", SIZE, True),
        ("input { dims: [ -1 ] }", SIZE, False),
        ("input { dims: [ 4 ] }", SIZE, False),
        ("input { dims: [ -1, 4 ] }", BATCHER_ALONE, False),
        ('input { dims: [ -1, 4 ] } model_warmup { name: "w" }', SIZE, False),
        ("input { dims: [ -1, 4 ] optional: true }", SIZE, False),
        ("max_batch_size: 1", BATCHER_ALONE, False),
        ("max_batch_size: 2", BATCHER_ALONE, True),
    ],
)
def test_what_the_config_says_of_the_batch_is_heeded(config, text, batches):
    restricted, notes = space(text).restricted_to(spec(config))
    assert bool(names(restricted) & BATCHING) == batches
    assert bool(notes) != batches


@pytest.mark.parametrize("backend", ["onnxruntime", "python"])
@pytest.mark.parametrize(
    ("dims", "more"),
    [
        ("-1, 4", ""),
        ("2, 4", ""),
        ("-1, 4", 'model_warmup { name: "w" inputs { key: "input" value { dims: [ 3, 4 ] } } }'),
        ("-1, 4", 'sequence_batching { state { input_name: "s" dims: [ -1, 4 ] } }'),
        ("-1, 4", 'batch_input { kind: BATCH_ITEM_SHAPE target_name: "n" source_input: "input" }'),
        ("-1, 4", "optimization { cuda { graph_spec { batch_size: 0 } } }"),
    ],
)
def test_a_written_0_is_searched_only_if_allowed_and_if_the_whole_config_stays_true(tmp_path, backend, dims, more):
    tensors = " ".join(
        f'{kind} {{ name: "{kind}" data_type: TYPE_FP32 dims: [ {dims} ] }}' for kind in ("input", "output")
    )
    batch = 2 if dims.startswith("2") else "batch"
    write_onnx(tmp_path, "m", f'backend: "{backend}" max_batch_size: 0 {tensors} {more}', batch=batch)
    repository = ModelRepository(tmp_path)
    kept, notes = SearchSpace.default().restricted_to(repository.model("m"))
    assert not names(kept) & BATCHING
    can_batch = not more and dims == "-1, 4"
    assert ("(--allow-batching searches it)" in notes[0]) == can_batch
    allowed = repository.model("m", allow_batching=True)
    searched, _ = SearchSpace.default().restricted_to(allowed)
    assert (names(searched) >= BATCHING) == can_batch
    if can_batch:
        largest = searched.triton_default(allowed.config, largest_batch=True)
        config = searched.apply(largest, allowed.config)
        assert config.max_batch_size > 1
        assert (config.value("input.dims"), config.value("output.dims")) == ((4,), (4,))


def test_nothing_left_to_search_is_an_error():
    with pytest.raises(UsageError, match="--search-space: nothing is left to search for m: it has no batch dimension"):
        space("parameters: {max_batch_size: [1, 2]}").restricted_to(spec('backend: "python"', "fixed"))


def test_an_ensemble_is_sent_to_its_models():
    ensemble = spec('ensemble_scheduling { step [ { model_name: "a" }, { model_name: "b" } ] }')
    with pytest.raises(UsageError, match=r"tune the models it is composed of \(a, b\) instead"):
        SearchSpace.default().restricted_to(ensemble)


def test_sequence_batching_excludes_the_dynamic_batcher_only():
    model = spec("max_batch_size: 8 sequence_batching { oldest { preferred_batch_size: [ 4, 8 ] } }")
    restricted, notes = SearchSpace.default().restricted_to(model)
    assert names(restricted) == {"max_batch_size", "instance_count", "instance_kind"}
    assert "sequence_batching, which excludes dynamic batching" in notes[0]
    smallest = next(each for each in restricted.candidates() if each["max_batch_size"] == 4)
    applied = restricted.apply(smallest, model.config)
    assert applied.value("sequence_batching.oldest.preferred_batch_size") == (4,)
    assert not applied.dynamic_batching


_BOTH_STRATEGIES = space(
    "fields: {sequence_batching.oldest.max_candidate_sequences: [4, 8],"
    " sequence_batching.direct.minimum_slot_utilization: [0.5, 1.0],"
    " sequence_batching.max_sequence_idle_microseconds: [1000, 2000]}"
)


@pytest.mark.parametrize(
    ("config", "strategy", "other"),
    [("oldest { }", "oldest.max_candidate_sequences", "direct"), ("direct { }", "direct.minimum_slot", "oldest"),
     ("", "direct.minimum_slot", "oldest")],  # Triton's default is direct
)  # fmt: skip
def test_the_strategy_of_a_sequence_model_is_not_searched(config, strategy, other):
    restricted, notes = _BOTH_STRATEGIES.restricted_to(spec(f"max_batch_size: 8 sequence_batching {{ {config} }}"))
    assert len(names(restricted)) == 2
    assert any(strategy in name for name in names(restricted))
    assert f"not searching sequence_batching.{other}." in notes[0]


def test_fields_for_sequences_make_no_model_take_sequences():
    with pytest.raises(UsageError, match=r"oldest\.max_candidate_sequences: 'm' has no sequence_batch"):
        _BOTH_STRATEGIES.restricted_to(spec("max_batch_size: 8"))


def test_dynamic_batching_stays_on_where_clients_rely_on_its_settings():
    model = spec("max_batch_size: 8 dynamic_batching { priority_levels: 2 default_priority_level: 1 }")
    restricted, notes = SearchSpace.default().restricted_to(model)
    assert "dynamic_batching has priority_levels, default_priority_level, so dynamic batching stays on" in notes[0]
    for candidate in restricted.candidates():
        assert restricted.apply(candidate, model.config).value("dynamic_batching.priority_levels") == 2


def test_auto_and_the_kind_the_config_has_are_not_searched_twice():
    kinds = space("parameters: {instance_kind: [auto, KIND_CPU, KIND_GPU]}")
    restricted, _ = kinds.restricted_to(spec("max_batch_size: 8 instance_group { kind: KIND_CPU }"))
    assert restricted.size == 2
    assert kinds.restricted_to(spec("max_batch_size: 8"))[0].size == 3


def test_several_instance_groups_are_mentioned():
    model = spec("max_batch_size: 8 instance_group [ { kind: KIND_CPU }, { kind: KIND_GPU } ]")
    assert "instance_count is the count of each" in SearchSpace.default().restricted_to(model)[1][0]


@pytest.mark.parametrize(
    "model",
    [
        spec("", "unknown", has_config=False),
        spec('backend: "python"', "unknown"),
        spec('backend: "python" input { name: "x" dims: [ 4 ] }', "unknown"),  # the model may add the rest
    ],
)
def test_an_unknown_batch_dimension_is_searched_with_a_note(model):
    restricted, notes = SearchSpace.default().restricted_to(model)
    assert names(restricted) >= BATCHING
    assert "only loading shows whether it can batch" in notes[0]


def test_preferred_sizes_follow_the_models_own_batch_where_it_is_not_searched():
    text = "parameters: {dynamic_batching: [true, false], preferred_batch_size: [none, [4], [16]]}"
    restricted, _ = space(text).restricted_to(spec("max_batch_size: 8"))
    assert [each["preferred_batch_size"] for each in restricted.candidates()] == ["none", "4", "none"]


def test_a_field_that_contradicts_the_config_is_named():
    fields = space("fields: {sequence_batching.max_sequence_idle_microseconds: [1, 2]}")
    with pytest.raises(UsageError, match=r"--search-space: .*has dynamic_batching, which excludes sequence_batching"):
        fields.restricted_to(spec("max_batch_size: 8 dynamic_batching { }"))


def test_a_fixed_batch_is_named_by_its_size():
    model = spec("", "fixed", inputs=[TensorSpec("x", "FP32", (16, 3))])
    assert "fixed at 16" in SearchSpace.default().restricted_to(model)[1][0]
