"""The trials that a study begins with."""

from autotune.repository import ConfigSet, ModelConfig, RequestShapes
from autotune.search._starts import LARGEST_BATCH, starts
from autotune.space import JointSpace, SearchSpace

_SPACE = SearchSpace.parse(
    """
parameters:
  max_batch_size: [1, 16]
  dynamic_batching: [true]
  instance_count: [1, 2]
fields:
  input[0].allow_ragged_batch: [false, true]
""",
    "space.yaml",
)
_CONFIG = """
name: "reader" max_batch_size: 16 dynamic_batching { }
input { name: "tokens" data_type: TYPE_INT32 dims: [ -1 ] }
"""


def _ragged(requests: RequestShapes | None) -> dict[str, bool]:
    base = ConfigSet.of(ModelConfig.parse(_CONFIG, "config.pbtxt"))
    space = JointSpace({"reader": _SPACE})
    return {
        start.label: start.configs.asked.value("input.allow_ragged_batch")
        for start in starts(base, base, space, simulates=True, ready=False, requests=requests)
    }


def test_the_largest_batch_is_tried_with_ragged_batches_if_shapes_differ() -> None:
    lengths = RequestShapes({"tokens": (1, length)} for length in (3, 4, 5))
    assert [label for label, ragged in _ragged(lengths).items() if ragged] == [LARGEST_BATCH]
    assert not any(_ragged(None).values())
    assert not any(_ragged(RequestShapes([{"tokens": (1, 3)}])).values())
