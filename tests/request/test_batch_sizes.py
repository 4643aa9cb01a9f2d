"""Batch sizes and scenarios of a measurement."""

import pytest

from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate
from autotune.repository import ModelConfig
from autotune.request import MeasureRequest


def test_each_batch_size_is_offered_each_load() -> None:
    loads = MeasureRequest(batch_size="1,4", concurrency="1,2").loads()
    assert loads == {1: (ClosedLoop(1), ClosedLoop(2)), 4: (ClosedLoop(1), ClosedLoop(2))}


def test_rates_count_inferences_whatever_the_batch_size() -> None:
    loads = MeasureRequest(batch_size="2:4:2", rate=100, arrivals="constant").loads()
    assert loads == {2: (ConstantRate(50),), 4: (ConstantRate(25),)}


def test_the_time_of_all_batch_sizes_together_is_bounded() -> None:
    with pytest.raises(UsageError, match=r"^--time-budget: the 128 loads take 6\.4min"):
        MeasureRequest(batch_size="1:64", concurrency="1,2", time_budget="1min").loads()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"batch_size": "0"}, "^--batch-size: '0' has a value that is not above zero"),
        ({"batch_size": "1.5"}, "^--batch-size: '1.5' is not understood; write N, .* in whole numbers"),
        ({"batch_size": "1,2", "p99": "5ms"}, "^--batch-size: 1,2 needs loads such as --concurrency 1"),
    ],
)
def test_sizes_that_cannot_be_measured_are_refused(options: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        MeasureRequest(**options).loads()


def test_offline_is_larger_and_larger_requests_one_at_a_time_through_shared_memory() -> None:
    request, _ = MeasureRequest(scenario="offline").completed()
    assert request.shares_memory
    assert request.batch_sizes_for(ModelConfig.parse("max_batch_size: 64", "a")) == ((1, 2, 4, 8, 16, 32, 64), ())
    sizes, left_out = request.batch_sizes_for(ModelConfig.parse("max_batch_size: 8", "a"))
    assert request.loads(sizes) == {size: (ClosedLoop(1),) for size in (1, 2, 4, 8)}
    assert left_out == (16, 32, 64)
    assert request.batch_sizes_for(ModelConfig.empty())[0] == (1,)


def test_online_is_more_and_more_clients() -> None:
    (loads,) = MeasureRequest(scenario="online").completed()[0].loads().values()
    assert loads == tuple(ClosedLoop(clients) for clients in range(8, 257, 8))


def test_options_beside_a_scenario_win_even_if_they_equal_the_default() -> None:
    request, _ = MeasureRequest(scenario="offline", batch_size=1, shared_memory="none").completed()
    assert not request.shares_memory
    assert request.loads() == {1: (ClosedLoop(1),)}
    # What a person asks for is not left out: the model refuses it.
    wanted, _ = MeasureRequest(scenario="offline", batch_size="4,128").completed()
    assert wanted.batch_sizes_for(ModelConfig.parse("max_batch_size: 8", "a")) == ((4, 128), ())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"scenario": "of-line"}, "^--scenario: 'of-line' is unknown; use offline or online$"),
        ({"scenario": "online", "rate": "9"}, "^--rate: --scenario online has loads of its own; give one of them$"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(options: dict[str, str], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        MeasureRequest(**options).completed()
