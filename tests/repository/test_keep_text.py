"""A person's config keeps its comments and its order where fields do not change."""

import pytest

from autotune.repository import ModelConfig, edited_text

ORIGINAL = """\
# Copyright of the team
max_batch_size: 8  # agreed with the client team
backend: "onnxruntime"

name: "net"
# inputs, as the exporter names them
input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]  # four features
dynamic_batching {
  # wait for company
  max_queue_delay_microseconds: 500
  preserve_ordering: true  # clients rely on it
}
instance_group [
  { count: 1  # one a core
    kind: KIND_CPU }
]
parameters { key: "threads" value: { string_value: "2" } }  # measured
parameters { key: "mode" value: { string_value: "fast" } }
of_a_newer_triton { level: 3 }
"""


def parsed(text: str = ORIGINAL) -> ModelConfig:
    return ModelConfig.parse(text, "test")


def test_the_same_config_keeps_its_text() -> None:
    assert edited_text(ORIGINAL, parsed()) == ORIGINAL


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("max_batch_size", 48, "max_batch_size: 8  #", "max_batch_size: 48  #"),
        ("instance_group.count", 4, "{ count: 1  # one", "{ count: 4  # one"),
        ("dynamic_batching.max_queue_delay_microseconds", 7000, "microseconds: 500", "microseconds: 7000"),
        ("parameters.threads", "4", '"threads" value: { string_value: "2"', '"threads" value: { string_value: "4"'),
        (
            "dynamic_batching.preferred_batch_size",
            [4, 8],
            "  # clients rely on it\n",
            "  # clients rely on it\n  preferred_batch_size: [ 4, 8 ]\n",
        ),
        ("version_policy.latest.num_versions", 2, "level: 3 }\n", None),
    ],
)
def test_only_the_changed_field_is_edited(path: str, value: object, before: str, after: str | None) -> None:
    wanted = parsed().with_value(path, value)
    text = edited_text(ORIGINAL, wanted)
    assert parsed(text) == wanted
    if after is None:  # it comes last
        assert text.startswith(ORIGINAL)
    else:
        assert text == ORIGINAL.replace(before, after)


def test_removed_fields_leave_the_rest_as_it_is() -> None:
    wanted = parsed().without("parameters.mode").without("dynamic_batching.max_queue_delay_microseconds")
    gone = ('parameters { key: "mode" value: { string_value: "fast" } }\n', "  max_queue_delay_microseconds: 500\n")
    expected = ORIGINAL
    for line in gone:
        expected = expected.replace(line, "")
    assert edited_text(ORIGINAL, wanted) == expected
    text = edited_text(ORIGINAL, parsed().without("dynamic_batching"))
    assert "# four features\ninstance_group [\n" in text


@pytest.mark.parametrize("text", ["dynamic_batching { }", "dynamic_batching {}", "dynamic_batching {\n}", ""])
def test_a_batcher_gets_its_delay(text: str) -> None:
    wanted = parsed(text).with_value("dynamic_batching.max_queue_delay_microseconds", 100)
    assert parsed(edited_text(text, wanted)) == wanted


def test_groups_that_are_added_replace_the_list_and_nothing_else() -> None:
    groups = [{"count": 1, "kind": "KIND_CPU"}, {"count": 2, "kind": "KIND_GPU"}]
    wanted = parsed().with_value("instance_group", groups)
    text = edited_text(ORIGINAL, wanted)
    assert parsed(text) == wanted
    assert text.startswith(ORIGINAL[: ORIGINAL.index("instance_group")])
    assert text.endswith(ORIGINAL[ORIGINAL.index("parameters") :])


def test_another_config_is_written_anew() -> None:
    wanted = parsed().without("name").with_value("backend", "python")
    assert parsed(edited_text("[my.extension]: 3\n", wanted)) == wanted
    assert parsed(edited_text("name: 'a' 'b'\n", wanted)) == wanted
