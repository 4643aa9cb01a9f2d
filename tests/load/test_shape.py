"""Shapes as `--shape` gives them."""

import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load import Traffic, make_payloads, parse_shape
from autotune.load.payload._shape import Uniform, drawn_shapes

_TOKENS = {"inputs": [{"name": "tokens", "datatype": "INT32", "shape": [-1, -1]}]}
_BATCHING = {"max_batch_size": 8}


def test_a_size_may_be_drawn():
    assert parse_shape("image:3,uniform(200,400), uniform( 1, 1 )") == ("image", (3, Uniform(200, 400), Uniform(1, 1)))


@pytest.mark.parametrize("text", ["x:uniform(4)", "x:uniform(5,4)", "x:uniform(-1,4)", "x:normal(1,4)", "x:uniform"])
def test_a_distribution_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match=r"^--shape: .* is not an input's shape; .*uniform\(LOW,HIGH\)"):
        parse_shape(text)


@pytest.mark.parametrize("requests", [7, 64, 1000])
def test_few_requests_stand_for_the_distribution(requests):
    sizes = [each["x"][1] for each in drawn_shapes({"x": (2, Uniform(100, 4000))}, requests, seed=3)]
    assert min(sizes) >= 100
    assert max(sizes) <= 4000
    assert np.mean(sizes) == pytest.approx(2050, rel=0.01)
    assert np.std(sizes) == pytest.approx(3900 / 12**0.5, rel=0.02)
    assert sizes != sorted(sizes)


def test_every_size_is_as_likely():
    sizes = [each["x"][0] for each in drawn_shapes({"x": (Uniform(1, 4),)}, 64, seed=0)]
    assert [sizes.count(size) for size in (1, 2, 3, 4)] == [16] * 4


@pytest.mark.parametrize("data", ["random", "zero"])
def test_requests_have_the_drawn_shapes(data):
    traffic = Traffic(input_data=data, payloads=16, shapes={"tokens": (Uniform(1, 16),)}, batch_size=2)
    shapes = [payload.inputs[0].data.shape for payload in make_payloads("m", _TOKENS, _BATCHING, traffic)]
    assert sorted(shapes) == [(2, size) for size in range(1, 17)]
    again = make_payloads("m", _TOKENS, _BATCHING, traffic)
    assert [payload.inputs[0].data.shape for payload in again] == shapes
    assert "tokens of shape uniform(1,16)" in traffic.conditions()


def test_sizes_are_not_drawn_for_files(tmp_path):
    traffic = Traffic(input_data=str(tmp_path), shapes={"tokens": (Uniform(1, 16),)})
    with pytest.raises(UsageError, match=r"^--shape: uniform\(LOW,HIGH\) draws sizes of generated data, not of files"):
        make_payloads("m", _TOKENS, _BATCHING, traffic)
