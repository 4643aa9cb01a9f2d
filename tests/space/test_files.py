from pathlib import Path

import pytest

import autotune.space
from autotune.errors import UsageError
from autotune.space import SearchSpace

SPACES = Path(__file__).parents[2] / "search_spaces"


def error_of(text):
    with pytest.raises(UsageError) as caught:
        SearchSpace.parse(text, "x.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def choices(text, name):
    (parameter,) = [each for each in SearchSpace.parse(text, "x.yaml").parameters if each.name == name]
    return parameter.choices


@pytest.mark.parametrize("path", sorted(SPACES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_space_that_comes_along_loads(path):
    assert SearchSpace.load(path).size >= 100


def test_the_default_is_a_file_that_people_can_copy():
    assert SearchSpace.default() == SearchSpace.load(Path(autotune.space.__file__).parent / "default.yaml")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{low: 1, high: 4}", (1, 2, 3, 4)),
        ("{low: 1, high: 8, step: 3}", (1, 4, 7)),
        ("{low: 2, high: 16, scale: log2}", (2, 4, 8, 16)),
        ("{low: 2, high: 32, scale: log2, refine: 6}", (2, 4, 6, 8, 12, 16, 18, 24, 30, 32)),
        ("[8, 1, 4]", (1, 4, 8)),
        ("3", (3,)),
    ],
)
def test_a_list_a_range_and_a_single_value_are_choices(written, expected):
    assert choices(f"parameters: {{instance_count: {written}}}", "instance_count") == expected


def test_preferred_sizes_become_texts():
    text = "parameters: {preferred_batch_size: [none, 4, [8, 4]]}"
    assert choices(text, "preferred_batch_size") == ("none", "4", "4,8")


def test_fields_take_any_type_and_null():
    text = "fields:\n  parameters.threads: [null, 1, 2]\n  instance_group[0].gpus: [[0], [0, 1]]\n"
    assert choices(text, "parameters.threads") == (None, 1, 2)
    assert choices(text, "instance_group[0].gpus") == ("[0]", "[0, 1]")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("parameters:\n  max_batchsize: [1]", 2, "unknown parameter 'max_batchsize' (did you mean 'max_batch_size'?)"),
        ("parameters:\n  quux: [1]", 2, "use one of max_batch_size"),
        ("parameters:\n  instance_group.kind: [1]", 2, "move it under 'parameters:' as instance_kind"),
        ("dynamic_batching.max_queue_delay_microseconds: [1]", 1, "'parameters:' as max_queue_delay_microseconds"),
        ("parameters:\n  parameters.threads: [1]", 2, "it is a config field: move it under 'fields:'"),
        ("parameters:\n  optimization: [1]", 2, "it is a config field: move it under 'fields:'"),
        ("parameters.threads: [1]", 1, "it is a config field: move it under 'fields:'"),
        (
            "parameters:\n  dynamic_batching.max_delay: [1]",
            2,
            "unknown config field 'max_delay' of ModelDynamicBatching",
        ),
        ("\nparametres:\n  instance_count: 1", 2, "did you mean 'parameters'?"),
        ("instance_count: 1", 1, "move it under 'parameters:'"),
        ("parameters:\n  instance_count:\n    low: 4\n    high: 1", 3, "low 4 is above high 1"),
        ("parameters:\n  instance_count: {low: 4}", 2, "high is missing"),
        ("parameters:\n  instance_count: {low: 1, hihg: 4}", 2, "unknown key 'hihg' (did you mean 'high'?)"),
        ("parameters:\n  instance_count: {low: 1, high: many}", 2, "found 'many'"),
        ("parameters:\n  instance_count: {low: 1, high: 4, step: 0}", 2, "step 0 is below 1"),
        ("parameters:\n  instance_count: {low: 0, high: 4}", 2, "0 is below 1"),
        ("parameters:\n  instance_count: {low: 1, high: 4, scale: ln}", 2, "unknown scale 'ln'"),
        ("parameters:\n  instance_count: {low: 1, high: 100000}", 2, "more than 10000 values"),
        ("parameters:\n  max_batch_size: {low: 1, high: 48, scale: log2}", 2, "high 48 is not a power of two"),
        ("parameters:\n  max_batch_size: {low: 1, high: 8, scale: log2, step: 2}", 2, "takes no step"),
        ("parameters:\n  max_batch_size: {low: 1, high: 8, refine: 4}", 2, "only scale log2 is refined"),
        (
            "parameters:\n  max_batch_size: {low: 1, high: 8, scale: log2, refine: 8}",
            2,
            "no multiple of 8 lies between",
        ),
        (
            "parameters:\n  max_batch_size: {low: 1, high: 8, scale: log2, refine: 0}",
            2,
            "no multiple of 0 lies between",
        ),
        (
            "parameters:\n  max_batch_size: {low: 1, high: 1073741824, scale: log2, refine: 8}",
            2,
            "adds more than 10000 values",
        ),
        ("parameters:\n  max_batch_size: [0, 8]", 2, "0 is below 1"),
        ("parameters:\n  max_batch_size: []", 2, "no values to choose from"),
        ("parameters:\n  max_batch_size:\n    - 8\n    - 8", 4, "8 is there twice"),
        ("parameters:\n  max_batch_size: ['8']", 2, "expected a whole number, found '8'"),
        ("parameters:\n  max_batch_size: [true]", 2, "expected a whole number, found True"),
        ("parameters:\n  max_batch_size: null", 2, "expected a whole number, found None"),
        ("parameters:\n  dynamic_batching: [on, maybe]", 2, "expected true or false, found 'maybe'"),
        ("parameters:\n  preferred_batch_size: [[4, 4]]", 2, "size twice"),
        ("parameters:\n  preferred_batch_size: [[0]]", 2, "expected none or a list of batch sizes"),
        ("parameters:\n  preferred_batch_size: [[4, 8], [8, 4]]", 2, "is there twice"),
        ("parameters:\n  instance_kind: [KIND_CUP]", 2, "did you mean 'KIND_CPU'?"),
        ("parameters:\n  instance_count: 1\n  instance_count: 2", 3, "'instance_count' is there twice"),
        ("parameters:\n  3: 1", 2, "3 is not a name"),
        ("parameters: [1]", 1, "expected a mapping"),
        ("fields:\n  max_batch_size: [1]", 2, "is the parameter max_batch_size"),
        ("fields:\n  instance_group.count: [1]", 2, "is the parameter instance_count"),
        ("fields:\n  name: [a]", 2, "cannot be searched"),
        ("fields:\n  optimization.eager: [true]", 2, "unknown config field 'eager'"),
        ("fields:\n  optimization.eager_batching:\n    - true\n    - 7", 4, "expected true or false, found 7"),
        ("fields:\n  instance_group[0].kin: [null]", 2, "did you mean 'kind'?"),
        ("- 1", 1, "expected 'parameters:' or 'fields:'"),
        ("parameters:", 1, "nothing to search"),
        ("parameters:\n  a: [1\n  b: 2", 3, "not valid YAML"),
        ("parameters:\n\tinstance_count: 1", 2, "not valid YAML"),
        ("parameters:\n  instance_count: !!python/object:os.system 1", 2, "not valid YAML"),
        ("parameters:\n  instance_count: *anchor", 2, "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, line, expected):
    message = error_of(text)
    assert message.startswith(f"x.yaml:{line}: ")
    assert expected in message


def test_an_empty_file_is_named():
    assert "x.yaml: is empty" in error_of("# nothing\n")


def test_a_file_that_cannot_be_read_names_the_flag(tmp_path):
    with pytest.raises(UsageError, match=r"--search-space: cannot read .*none.yaml: No such file"):
        SearchSpace.load(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"--search-space: .*b.yaml: it is not UTF-8 text"):
        SearchSpace.load(tmp_path / "b.yaml")
