"""Which requests Triton batches together, from their shapes and the config."""

import pytest

from autotune.repository import RequestShapes, kept_apart as of_shapes, shapes_of_steps, step_kept_apart

_INPUTS = [
    {"name": "tokens", "dims": [-1]},
    {"name": "image", "dims": [3, -1], "allow_ragged_batch": True},
    {"name": "fixed", "dims": [4]},
]
_CONFIG = {"max_batch_size": 8, "dynamic_batching": {}, "input": _INPUTS}


def kept_apart(config, requests, batch_size=1):
    return of_shapes(config, RequestShapes(requests), batch_size)


def _request(tokens: int, image: int = 1, fixed: int = 4, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"tokens": (1, tokens), "image": (1, 3, image), "fixed": (1, fixed), **more}


def test_only_dynamic_dimensions_without_ragged_batching_are_compared() -> None:
    requests = [_request(3), _request(3, image=2), _request(3, fixed=9), _request(4)]
    assert RequestShapes(requests).classes(_INPUTS) == (0, 0, 0, 1)
    assert kept_apart(_CONFIG, [_request(3), _request(3, image=2)]) is None


def test_requests_are_alike_if_all_shapes_are() -> None:
    assert RequestShapes([_request(3), _request(3)]).alike
    assert not RequestShapes([_request(3), _request(3, image=2)]).alike


def test_alternating_shapes_are_never_batched() -> None:
    found = kept_apart(_CONFIG, [_request(3), _request(4)] * 4)
    assert found is not None
    assert (found.inputs, found.fields, found.most) == (("tokens",), ("input[0].allow_ragged_batch",), 1)
    assert "differ in the shape of input 'tokens'" in found.words()
    assert "at most" in found.words()
    assert "set input[0].allow_ragged_batch to true" in found.remedy()


@pytest.mark.parametrize(("lengths", "most"), [([3, 3, 3, 4, 4, 4], 3), ([3, 3, 4, 4, 3, 3], 3), ([3, 4, 5], 1)])
def test_equal_neighbours_may_share_a_batch(lengths: list[int], most: float) -> None:
    found = kept_apart(_CONFIG, [_request(length) for length in lengths])
    assert found is not None
    assert found.most == most


def test_requests_that_the_batch_size_keeps_apart_anyway_are_not_named() -> None:
    requests = [_request(3)] * 8 + [_request(4)] * 8
    assert kept_apart(_CONFIG, requests) is None
    assert kept_apart(_CONFIG | {"max_batch_size": 16}, requests) is not None
    assert kept_apart(_CONFIG | {"max_batch_size": 16}, requests, batch_size=2) is None
    assert kept_apart({key: _CONFIG[key] for key in ("max_batch_size", "input")}, [_request(3), _request(4)]) is None
    assert kept_apart(_CONFIG | {"max_batch_size": 1}, [_request(3), _request(4)]) is None


def test_optional_inputs_of_only_some_requests_keep_these_apart() -> None:
    config = _CONFIG | {"input": [*_INPUTS, {"name": "mask", "dims": [2], "optional": True}]}
    found = kept_apart(config, [_request(3), _request(3, mask=(1, 2))])
    assert found is not None
    assert (found.inputs, found.optional) == ((), ("mask",))
    assert "differ in having input 'mask'" in found.words()
    assert found.remedy() == ""


def test_the_step_of_an_ensemble_that_keeps_requests_apart_is_named() -> None:
    first = {"max_batch_size": 8, "dynamic_batching": {}, "input": [{"name": "raw", "dims": [-1]}]}
    steps = [
        {"model_name": "second", "input_map": {"raw": "between"}},
        {"model_name": "first", "input_map": {"raw": "tokens", "other": "between"}},
    ]
    inner = {"ensemble_scheduling": {"step": steps}}
    outer = {"ensemble_scheduling": {"step": [{"model_name": "inner", "input_map": {"tokens": "text"}}]}}
    configs = {"first": first, "second": first, "inner": inner, "outer": outer}
    found = step_kept_apart(configs.__getitem__, "outer", RequestShapes({"text": (1, size)} for size in (3, 4)))
    assert found is not None
    assert (found.step, found.inputs) == ("first", ("raw",))
    assert found.words().startswith("consecutive requests to 'first' differ in the shape of input 'raw'")
    assert "If 'first' takes inputs of several shapes" in found.remedy()
    assert step_kept_apart(configs.__getitem__, "outer", RequestShapes([{"text": (1, 3)}])) is None


def test_an_ensemble_that_contains_itself_has_no_further_steps() -> None:
    configs = {
        name: {"ensemble_scheduling": {"step": [{"model_name": other}, {"model_name": "net"}]}}
        for name, other in (("outer", "inner"), ("inner", "outer"))
    }
    steps = shapes_of_steps(lambda name: configs.get(name, {}), "outer", RequestShapes([{"x": (1, 3)}]))
    assert [name for name, _ in steps] == ["net", "net"]


def test_one_request_is_like_itself() -> None:
    assert kept_apart(_CONFIG, [_request(3)]) is None
