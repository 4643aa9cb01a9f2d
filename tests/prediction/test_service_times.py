"""Service times are found again in windows that were computed from known ones."""

from dataclasses import replace

import numpy as np
import pytest
from service_windows import HOST_S, alone_s, copying, device_s, saturated, screen, sharing, window

from autotune.load import ClosedLoop, PoissonRate
from autotune.measurement import Disturbance, DisturbanceKind, Usage
from autotune.prediction import PredictionOptions, Window, service_times
from autotune.prediction._curve import useful_sizes

_STOLEN = Disturbance(DisturbanceKind.STEAL, 0.1, 0.02)


def test_times_alone_are_straight_between_the_sizes_seen_and_beyond():
    found = service_times([screen(), saturated(8), saturated(32)], 64)
    assert found is not None
    total_s = found.host_s + found.device_s
    for size in (1, 8, 20, 32, 64):
        assert total_s[size - 1] == pytest.approx(alone_s(size), rel=0.01)


def test_a_size_that_took_less_than_a_smaller_one_is_averaged_with_it():
    slow = window({4: 10}, {4: 0.009})
    found = service_times([screen(), slow, saturated(8)], 8)
    assert found is not None
    assert (np.diff(found.host_s + found.device_s) >= 0).all()


def test_the_shared_part_is_what_departures_are_spaced_by():
    windows = [screen(), *(saturated(size) for size in (1, 8, 64)), *(sharing(size, 4) for size in (1, 8, 64))]
    found = service_times(windows, 64)
    assert found is not None
    for size in (1, 8, 64):
        assert found.device_s[size - 1] == pytest.approx(device_s(size), rel=0.02)
        assert found.host_s[size - 1] == pytest.approx(HOST_S, abs=0.0001)


LONG_HOST_S = 0.008


def mostly_side_by_side(*more: Window) -> list[Window]:
    """Executions that spend most of their time on their own: of a single one four at a time never meet."""
    taking_s = {size: LONG_HOST_S + device_s(size) for size in (1, 16, 32, 64)}
    answered = ((taking_s[1] + 0.0003, 300),)
    first = window({1: 99}, {1: taking_s[1]}, purpose="screen", schedule=ClosedLoop(1), histogram=answered)
    alone = [window({size: round(1 / each_s)}, {size: each_s}) for size, each_s in taking_s.items()]
    return [first, *alone, *(sharing(size, 4) for size in (16, 32, 64)), *more]


def test_batches_too_small_to_wait_share_what_the_line_through_larger_ones_says():
    side_by_side = window({1: round(4 / (LONG_HOST_S + device_s(1)))}, {1: LONG_HOST_S + device_s(1)}, instances=4)
    for windows in (mostly_side_by_side(), mostly_side_by_side(side_by_side)):
        found = service_times(windows, 64)
        assert found is not None
        for size in (1, 4, 16, 64):
            assert found.device_s[size - 1] == pytest.approx(device_s(size), rel=0.1)


def test_what_small_batches_share_takes_no_longer_than_departures_are_apart():
    apart_s = 0.5 * device_s(1)
    fast = window({1: round(1 / apart_s)}, {1: LONG_HOST_S + device_s(1)}, instances=10)
    found = service_times(mostly_side_by_side(fast), 64)
    assert found is not None
    assert found.device_s[0] == pytest.approx(apart_s, rel=0.02)


def test_small_batches_share_the_same_part_where_all_that_waited_were_of_one_size():
    found = service_times([screen(), saturated(16), sharing(16, 4)], 16)
    assert found is not None
    assert found.device_s / (found.host_s + found.device_s) == pytest.approx(device_s(16) / alone_s(16), rel=0.02)


def test_executions_vary_by_a_twentieth():
    found = service_times([screen(), saturated(8)], 8)
    assert found is not None
    assert found.spread.mean() == pytest.approx(1.0)
    assert np.log(found.spread).std() == pytest.approx(0.05, rel=0.05)


def test_instances_that_do_not_slow_each_other_down_share_nothing():
    side_by_side = window({8: round(4 / alone_s(8))}, {8: alone_s(8)}, instances=4)
    found = service_times([screen(), saturated(8), side_by_side], 8)
    assert found is not None
    assert found.device_s == pytest.approx(np.zeros(8))


def test_instances_that_were_not_always_busy_say_nothing_of_what_they_share():
    idle = window({8: 10}, {8: 4 * device_s(8)}, instances=4)
    found = service_times([screen(), saturated(8), idle], 8)
    assert found is not None
    assert found.device_s == pytest.approx(np.zeros(8))


def in_each_others_way(size: int, instances: int, contention: float) -> Window:
    """Instances that always have a batch to do, each execution of which takes all of what they share."""
    apart_s = alone_s(size) * (1 + contention * (instances - 1))
    count = round(1.0 / apart_s) + instances
    waits = instances * (1 - (instances - 1) / 2 / count)
    return window({size: count}, {size: waits * apart_s}, instances=instances)


def test_instances_that_carry_less_than_one_are_in_each_others_way():
    crowded = [in_each_others_way(8, 2, 0.2), in_each_others_way(8, 4, 0.2), in_each_others_way(16, 4, 0.3)]
    found = service_times([screen(), saturated(8), saturated(16), *crowded], 16)
    assert found is not None
    assert found.contention == pytest.approx(0.2, abs=0.02)
    assert found.device_s[7] == pytest.approx(alone_s(8), rel=0.01)


def test_instances_that_share_a_device_are_not_in_each_others_way():
    found = service_times([screen(), saturated(8), sharing(8, 4)], 8)
    assert found is not None
    assert found.contention == 0.0


def test_what_is_handed_out_is_told_by_triton():
    found = service_times([copying(screen(), 10, 20), copying(saturated(8), 190, 580)], 8)
    assert found is not None
    assert found.handed_out == pytest.approx(600 / 800)


def test_half_is_handed_out_where_nothing_tells():
    found = service_times([screen(), saturated(8)], 8)
    assert found is not None
    assert found.handed_out == 0.5


def test_what_an_instance_spends_between_executions_is_its_own_time():
    found = service_times([screen(), saturated(8, gap_s=0.0004)], 8)
    assert found is not None
    assert found.host_s[7] == pytest.approx(alone_s(8) + 0.0004, rel=0.01)


def test_overhead_is_the_latency_of_one_request_at_a_time_without_its_execution():
    found = service_times([screen(overhead_s=0.0003), saturated(8)], 8)
    assert found is not None
    assert np.quantile(found.overhead_s, [0.1, 0.5, 0.95]) == pytest.approx([0.0003, 0.0003, 0.0013], rel=0.01)


def test_a_request_alone_that_waits_for_company_has_no_longer_overhead():
    alone = screen(overhead_s=0.0053)
    waiting = replace(
        alone, delay_s=0.005, probe=replace(alone.probe, server=replace(alone.probe.server, queue_ns=300 * 5_000_000))
    )
    found = service_times([waiting, saturated(8)], 8)
    assert found is not None
    assert np.median(found.overhead_s) == pytest.approx(0.0003, rel=0.01)


def test_overhead_is_not_what_further_instances_or_a_disturbance_add():
    calm, crowded, paused = screen(), replace(screen(overhead_s=0.02), instances=4), screen(overhead_s=0.01)
    paused = replace(paused, probe=replace(paused.probe, holds=False, invalid=(_STOLEN,)))
    found = service_times([calm, crowded, paused, saturated(8)], 8)
    assert found is not None
    assert found.overhead_s.max() == pytest.approx(0.0013, rel=0.01)


def test_disturbed_windows_tell_the_overhead_where_there_are_no_others():
    paused = screen(overhead_s=0.01)
    paused = replace(paused, probe=replace(paused.probe, holds=False, invalid=(_STOLEN,)))
    found = service_times([paused, saturated(8)], 8)
    assert found is not None
    assert np.median(found.overhead_s) == pytest.approx(0.01, rel=0.01)


def test_nothing_is_known_without_a_window_of_one_request_at_a_time():
    assert service_times([saturated(8)], 8) is None
    assert service_times([], 8) is None


def test_warm_up_is_not_learnt_from():
    cold = window({1: 5000}, {1: 0.1}, purpose="warm-up", schedule=PoissonRate(1, 1))
    found = service_times([screen(), saturated(8), cold], 8)
    assert found is not None
    assert (found.host_s + found.device_s)[0] == pytest.approx(alone_s(1), rel=0.01)


REQUEST_S, EXECUTION_S, SPINNING = 0.0001, 0.0004, 0.2


def using_cores(window: Window, cores: int = 2, client_s: float = 0.00005, *, seen: bool = True) -> Window:
    """The same on a machine where requests and executions take known times, and threads spin."""
    probe = window.probe
    took_s = probe.requests * REQUEST_S + window.executions * EXECUTION_S + SPINNING * probe.duration_s
    client = probe.requests * client_s / probe.duration_s
    server_s = took_s - client * probe.duration_s if seen else None
    return Window(window.instances, replace(probe, usage=Usage(client, server_cpu_s=server_s, cores=cores)))


def test_what_requests_and_executions_take_of_the_cores_is_told_apart():
    windows = [using_cores(each) for each in (screen(), *(saturated(size) for size in (1, 2, 8, 32, 64)))]
    found = service_times(windows, 64)
    assert found is not None
    assert found.request_cpu_s == pytest.approx(REQUEST_S / 2, rel=0.02)
    assert found.execution_cpu_s == pytest.approx(EXECUTION_S / 2, rel=0.02)


def test_cores_that_cannot_be_seen_do_not_matter():
    windows = [using_cores(each, seen=False) for each in (screen(), *(saturated(size) for size in (1, 2, 8, 32, 64)))]
    found = service_times(windows, 64)
    assert found is not None
    assert (found.request_cpu_s, found.execution_cpu_s) == (0.0, 0.0)


def test_nothing_is_known_where_no_single_request_was_answered_in_time():
    lost = window({1: 3}, {1: 0.1}, purpose="screen", schedule=ClosedLoop(1), histogram=((np.inf, 3),))
    assert service_times([lost, saturated(8)], 8) is None
    assert service_times([lost, screen(), saturated(8)], 8) is not None


def test_nothing_is_known_where_the_server_does_not_tell_how_long_executions_took():
    def untold(each: Window) -> Window:
        return replace(each, probe=replace(each.probe, server=replace(each.probe.server, batch_compute_ns={})))

    assert service_times([untold(screen()), untold(saturated(8))], 8) is None


def test_a_cliff_between_two_sizes_that_waited_is_the_devices() -> None:
    host_s, sizes = 0.004, range(1, 33)
    on_device_s = {size: (0.003 + 0.0001 * size) * (2 if size > 24 else 1) for size in sizes}
    alone = {size: host_s + on_device_s[size] for size in sizes}
    windows = [screen(), window(dict.fromkeys(sizes, 10), alone, purpose="sizes")]
    for size in (8, 16, 32):
        apart_s = max(on_device_s[size], alone[size] / 4)
        windows.append(window({size: round(1 / apart_s)}, {size: 4 * apart_s}, instances=4))
    found = service_times(windows, 32)
    assert found is not None
    assert found.device_s[23] == pytest.approx(on_device_s[24], rel=0.05)
    assert found.device_s[24] == pytest.approx(on_device_s[25], rel=0.05)


def test_sizes_asked_for_give_the_shape_and_load_what_each_request_takes() -> None:
    """A batch of one request is cheaper than one of as many requests, and a bend is not hidden by a few batches."""
    request_s = 0.00005
    shape_s = {size: alone_s(size) + 0.0004 * max(0, size - 21) for size in range(1, 33)}
    loaded_s = {size: shape_s[size] + request_s * (size - 1) for size in shape_s}
    asked = dict.fromkeys((1, 4, 8, 16, 19, 21, 22, 23, 32), 8)
    rare = {20: 3, 24: 3, 26: 2}
    windows = [
        screen(),
        window(asked, shape_s, purpose="sizes", schedule=ClosedLoop(1)),
        window({8: 300, 12: 200, 16: 100}, loaded_s),
        window(rare, {size: 1.1 * loaded_s[size] for size in rare}),
    ]
    found = service_times(windows, 32)
    assert found is not None
    total_s = found.host_s + found.device_s
    assert total_s[20] == pytest.approx(loaded_s[21], rel=0.02)
    assert useful_sizes(total_s, PredictionOptions())[-1] == 21
