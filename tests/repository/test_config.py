import pickle

import pytest

from autotune.errors import UsageError
from autotune.repository import ModelConfig, instances_of

GPU = """
# a person's comment
name: "resnet" platform: "tensorrt_plan"
max_batch_size: 32
input [ { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 224, 224 ] } ]
output [
  { name: "y" data_type: TYPE_FP32 dims: 1000 label_filename: "labels.txt" }
]
instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] }, { count: 1, kind: KIND_CPU } ]
dynamic_batching {
  preferred_batch_size: [ 8, 16 ]
  max_queue_delay_microseconds: 200
  priority_levels: 2
  default_priority_level: 1
  priority_queue_policy { key: 1 value { timeout_action: DELAY max_queue_size: 10 } }
}
optimization { cuda { graphs: true graph_spec { batch_size: 4 input { key: "x" value { dim: [ 3, 224, 224 ] } } } } }
model_warmup [ { name: "w" batch_size: 8
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [3] zero_data: true } } } ]
parameters: { key: "precision" value: { string_value: "say \\"FP16\\"" } }
version_policy: { specific { versions: [ 1, 3 ] } }
"""

NEWER = """
name: "a"
quantum_scheduler: ENTANGLED
instance_group [
  { count: 1 affinity { node: 0 cores: [0, 1] tag: "a" 'b' } },
  { kind: KIND_GPU  shards: -3 }
]
dynamic_batching { fairness: 0.5 max_queue_delay_microseconds: 100; lanes [ { id: 1 }, { id: 2, weight: 1e-3 } ] }
parameters { value { string_value: "1" int_value: 4 } key: "k" }
telemetry < sink: "x" >
"""


def parse(text):
    return ModelConfig.parse(text, "m/config.pbtxt")


@pytest.mark.parametrize(
    "text", [GPU, NEWER, "", 'name: "é\\n\\x01"', "input [ { dims: [], reshape: { shape: [] } } ]"]
)
def test_text_round_trips(text):
    config = parse(text)
    again = parse(config.to_text("found\n\nby trial 3"))
    assert again == config
    assert again.digest == config.digest
    assert hash(again) == hash(config)
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301


def test_protobuf_reads_back_the_same_message():
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig as Message

    ours = text_format.Parse(parse(GPU).to_text(), Message())
    assert ours == text_format.Parse(GPU, Message())


def test_the_text_is_in_schema_order():
    assert parse('max_batch_size: 4 name: "a"') == parse('name: "a" # first\nmax_batch_size: 4')
    assert parse('max_batch_size: 4 name: "a"').to_text() == 'name: "a"\nmax_batch_size: 4\n'


def test_header_is_written_as_comments():
    assert parse('name: "a"').to_text("one\n\ntwo") == '# one\n#\n# two\nname: "a"\n'


def test_unknown_fields_stay_where_they_belong():
    text = parse(NEWER).to_text()
    assert "quantum_scheduler: ENTANGLED" in text
    group = text[text.index("instance_group") : text.index("parameters")]
    assert "  {\n    count: 1\n    affinity {\n      node: 0\n      cores: [ 0, 1 ]\n      tag: \"a\" 'b'\n" in group
    assert "    kind: KIND_GPU\n    shards: -3\n" in group
    batcher = text[text.index("dynamic_batching") : text.index("instance_group")]
    assert "  fairness: 0.5\n  lanes [\n" in batcher
    assert "weight: 1e-3" in batcher
    assert "int_value: 4" in text[text.index('key: "k"') : text.index("quantum")]
    assert 'telemetry {\n  sink: "x"\n}' in text


def test_unknown_fields_survive_other_edits_and_are_removed_with_their_message():
    config = parse(NEWER)
    assert "fairness: 0.5" in config.with_value("dynamic_batching.max_queue_delay_microseconds", 5).to_text()
    assert "fairness" not in config.without("dynamic_batching").to_text()
    shorter = config.without("instance_group[0]")
    assert "affinity" not in shorter.to_text()
    assert shorter.to_text().index("shards: -3") < shorter.to_text().index("parameters")
    renewed = config.without("parameters.k").with_value("parameters.k", 2)
    assert "int_value" not in renewed.to_text()
    replaced = config.with_value("instance_group[0]", {"count": 5}).to_text()
    assert "affinity" not in replaced
    assert "shards: -3" in replaced


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_batch_size: foo", ':1:17: Couldn\'t parse integer: foo, near "max_batch_size: foo"'),
        ('name: "a"\n  max_batch_size 8', ":2:18: "),
        ("instance_group { kind: KIND_GPPU }", "did you mean 'KIND_GPU'?"),
        ('input [ { name: "x" }\n', "the text ends; is a '}' or ']' missing?"),
        ("hello world", ":1:7: expected ':' or '{' after 'hello'"),
        ("foo: {", "missing?"),
        ("}", "found '}'"),
        ("instance_group: 4", "expected '{' after 'instance_group'"),
        ("max_batch_size: 1\nmax_batch_size: 2", ":2:17: "),
        ("dynamic_batching {}\nsequence_batching {}", "oneof"),
        ("max_batch_size: 99999999999", "out of range"),
        ('name: "open', ":1:"),
        ("\x00\x01", ":1:1: "),
        ("foo: [1, 2", "m/config.pbtxt:1:"),
    ],
)
def test_a_parse_error_is_one_line_with_the_place(text, expected):
    with pytest.raises(UsageError) as caught:
        parse(text)
    message = str(caught.value)
    assert message.startswith("m/config.pbtxt:")
    assert expected in message
    assert "\n" not in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("max_batch_size", 16, 16),
        ("dynamic_batching.max_queue_delay_microseconds", 2**40, 2**40),
        ("dynamic_batching.preferred_batch_size", [4, 8], (4, 8)),
        ("dynamic_batching", {}, {}),
        ("parameters.intra_op_thread_count", 4, "4"),
        ("parameters.memory.enable_arena", True, "true"),
        ("parameters.x.string_value", 0.5, "0.5"),
        ('parameters["odd[key]"]', "v", "v"),
        ("instance_group[0].count", 3, 3),
        ("instance_group[1].count", 3, 3),
        ("instance_group.kind", "KIND_MODEL", "KIND_MODEL"),
        ("optimization.execution_accelerators.cpu_execution_accelerator[0].name", "openvino", "openvino"),
        ("optimization.execution_accelerators.cpu_execution_accelerator[0].parameters.a", 1, "1"),
        ("dynamic_batching.priority_queue_policy.1.max_queue_size", 3, 3),
        ("instance_group", [{"count": 2, "kind": "KIND_CPU"}], ({"count": 2, "kind": "KIND_CPU"},)),
        ("optimization.eager_batching", True, True),
        ("metric_tags.team", "vision", "vision"),
    ],
)
def test_a_value_is_set_read_and_cleared_by_its_path(path, value, read):
    empty = ModelConfig.empty("m")
    config = empty.with_value(path, value)
    assert config.value(path) == read
    assert config.has(path)
    assert parse(config.to_text()) == config
    assert not config.without(path).has(path)
    assert not empty.has(path)


def test_a_path_without_index_means_every_group():
    config = parse(GPU)
    assert config.value("instance_group.count") == (2, 1)
    assert config.with_value("instance_group.count", 3).value("instance_group.count") == 3
    assert config.with_value("instance_group.count", 3).value("instance_group[0].gpus") == (0, 1)
    assert ModelConfig.empty().with_value("instance_group.count", 3).instance_count == 3


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("max_batchsize", 4, "did you mean 'max_batch_size'?"),
        ("dynamic_batching.queue_delay", 4, "unknown config field 'queue_delay' of ModelDynamicBatching"),
        ("max_batch_size", "4", "expected an integer, found '4'"),
        ("max_batch_size", True, "expected an integer, found True"),
        ("max_batch_size", 2**31, "out of range"),
        ("instance_group.kind", "KIND_GP", "did you mean 'KIND_GPU'?"),
        ("dynamic_batching.preferred_batch_size", 4, "write [4]"),
        ("dynamic_batching.preferred_batch_size", [4, "8"], "found '8'"),
        ("dynamic_batching", 3, "holds other fields"),
        ("dynamic_batching", {"delay": 3}, "unknown config field 'delay'"),
        ("max_batch_size.x", 1, "has no field 'x'"),
        ("name[0]", "x", "is not a list"),
        ("a..b", 1, "not a path"),
        ("", 1, "not a path"),
        ("parameters.x", [1], "expected a string"),
        ("optimization.eager_batching", 1, "expected true or false"),
        ("dynamic_batching.priority_queue_policy.high.max_queue_size", 3, "keys of this map are numbers"),
    ],
)
def test_a_wrong_path_or_value_is_named(path, value, expected):
    with pytest.raises(UsageError) as caught:
        ModelConfig.empty("m").with_value(path, value)
    assert expected in str(caught.value)
    assert path in str(caught.value)


def test_a_scheduler_is_not_replaced_by_setting_another():
    with pytest.raises(UsageError, match="has sequence_batching, which excludes dynamic_batching"):
        parse("sequence_batching { }").with_value("dynamic_batching.preferred_batch_size", [4])


def test_an_edit_does_not_change_the_original():
    config = parse(GPU)
    before = config.to_text()
    config.with_value("instance_group.count", 9).without("dynamic_batching")
    assert config.to_text() == before


def test_properties_read_the_config():
    config = parse(GPU)
    assert (config.name, config.platform, config.backend) == ("resnet", "tensorrt_plan", "")
    assert (config.max_batch_size, config.instance_count, config.dynamic_batching) == (32, 5, True)
    assert ModelConfig.empty().instance_count == 0
    assert not ModelConfig.empty().dynamic_batching


@pytest.mark.parametrize(
    ("groups", "instances"),
    [
        ([], 0),
        ([{}], 1),
        ([{"count": 0}, {"count": 3}], 4),
        ([{"count": 2, "gpus": [0, 1, 3]}], 6),
        ([{"gpus": [0, 1]}, {"count": 2, "gpus": []}], 4),
    ],
)
def test_a_group_makes_its_instances_on_each_gpu_that_it_names(groups, instances):
    assert instances_of(groups) == instances


def test_json_for_a_load_request_includes_unknown_fields():
    assert parse(NEWER).to_json() == {
        "name": "a",
        "quantum_scheduler": "ENTANGLED",
        "instance_group": [
            {"count": 1, "affinity": {"node": 0, "cores": [0, 1], "tag": "ab"}},
            {"kind": "KIND_GPU", "shards": -3},
        ],
        "dynamic_batching": {
            "max_queue_delay_microseconds": "100",
            "fairness": 0.5,
            "lanes": [{"id": 1}, {"id": 2, "weight": 0.001}],
        },
        "parameters": {"k": {"string_value": "1", "int_value": 4}},
        "telemetry": {"sink": "x"},
    }
    assert parse('name: "a" lane { on: true } lane { }').to_json() == {"name": "a", "lane": [{"on": True}, {}]}
