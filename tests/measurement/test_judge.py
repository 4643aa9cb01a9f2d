from dataclasses import replace

import numpy as np
import pytest

from autotune.load import ConstantRate, LoadResult, Progress
from autotune.measurement._judge import Judge, StopRule, blocks
from autotune.objective import Ceiling


def result(scheduled_s: list[float], latency_s: list[float]) -> LoadResult:
    return LoadResult(
        schedule=ConstantRate(100),
        duration_s=1.0,
        elapsed_s=1.0,
        batch_size=1,
        scheduled_s=np.array(scheduled_s),
        latency_s=np.array(latency_s),
        lateness_s=np.zeros(len(scheduled_s)),
        errors={},
        client_cpu_s=0.0,
    )


def counted(scheduled_s: list[float], latency_s: list[float], limits_s: list[float]) -> tuple[list, list]:
    return blocks(np.array(scheduled_s), np.array(latency_s), limits_s)


def test_requests_are_counted_in_the_block_they_were_scheduled_in() -> None:
    assert counted([0.0, 0.02, 0.06, 0.16], [0.01, 0.03, 0.01, np.inf], [0.02, 0.1]) == (
        [2, 1, 0, 1],
        [[1, 0, 0, 1], [0, 0, 0, 1]],
    )


def test_requests_sent_before_the_window_count_in_its_first_block() -> None:
    assert counted([-0.2, -0.01, 0.0, 0.06], [0.01, 0.03, 0.01, 0.01], [0.02]) == ([3, 1], [[1, 0]])


def test_a_window_without_requests_has_no_blocks() -> None:
    assert counted([], [], [0.02]) == ([], [[]])


def test_evidence_counts_requests_sent_before_the_window() -> None:
    (evidence,) = Judge((Ceiling("p99", 0.02),), StopRule()).evidence(result([-0.2, 0.0, 0.06], [0.03, 0.01, 0.01]))
    assert (evidence.requests, evidence.late) == (3, 1)


@pytest.mark.parametrize(("hopeless", "decided"), [(True, "fails"), (False, "")])
def test_more_late_requests_than_a_whole_window_may_have_end_it_only_where_that_is_asked_for(
    hopeless: bool, decided: str
) -> None:
    """As a pause leaves them: all of one block, none before it."""
    rule = StopRule(fails_alpha=0.01, hopeless=hopeless)
    judge = Judge((Ceiling("p99", 0.02),), rule, requests_per_s=400.0, window_s=1.0)
    blocks_told = 9
    late = (*[0] * (blocks_told - 1), 20)
    judge.on_progress(Progress(0.5, (20,) * blocks_told, (late,) * 4, 0))
    assert judge.decided == decided
    assert not judge.certain


def test_estimates_leave_out_the_beginning_of_a_window_in_which_its_queue_fills() -> None:
    scheduled_s = np.arange(0, 2, 0.001)
    latency_s = np.where(scheduled_s < 0.16, 0.001, 0.03).tolist()
    judged = Judge((Ceiling("p99", 0.02),))
    (evidence,) = judged.evidence(result(scheduled_s.tolist(), latency_s))
    assert (evidence.requests, evidence.late) == (2000, 1840)
    counted, late = evidence.levels[0]
    assert late / counted == pytest.approx(1, abs=0.01)  # 8 limits are left out


def test_a_ceiling_on_first_responses_counts_those_and_is_watched_by_its_own_limits() -> None:
    ceilings = (Ceiling("first-response-p90", 0.02), Ceiling("p90", 0.1))
    streamed = replace(result([0.0, 0.06], [0.09, 0.2]), first_response_s=np.array([0.01, 0.03]))
    judge = Judge(ceilings, StopRule(fails_alpha=0.05))
    assert [(each.ceiling, each.late) for each in judge.evidence(streamed)] == [
        ("p90 <= 100ms", 1),
        ("first-response-p90 <= 20ms", 1),
    ]
    watch = judge.watch
    assert watch is not None
    assert (watch.limits_s[0], watch.first_limits_s[0]) == (0.1, 0.02)
    late = ((0,) * 20, (0,) * 20, (0,) * 20, (0,) * 20, (9,) * 20, (9,) * 20, (9,) * 20, (9,) * 20)
    assert watch.on_progress(Progress(1.0, (10,) * 20, late, 0))
    assert judge.stopped == "180 of 200 requests violated first-response-p90 <= 20ms"


def test_a_ceiling_is_judged_by_its_own_models_requests() -> None:
    """One model's requests are all late by the other's ceiling, which says nothing about the other."""
    ceilings = (Ceiling("p99", 0.01, "quick"), Ceiling("p99", 0.1, "slow"))
    judge = Judge(ceilings, shares={"quick": 0.5, "slow": 0.5})
    both = replace(result([0.0, 0.01, 0.06, 0.07], [0.001, 0.05, 0.001, 0.05]), stream=np.array([0, 1, 0, 1]))
    assert [(each.ceiling, each.requests, each.late) for each in judge.evidence(both)] == [
        ("p99 of quick <= 10ms", 2, 0),
        ("p99 of slow <= 100ms", 2, 0),
    ]


def test_a_window_of_several_models_ends_once_one_of_them_violates_its_ceiling() -> None:
    ceilings = (Ceiling("p99", 0.01, "quick"), Ceiling("p99", 0.1, "slow"))
    rule = StopRule(fails_alpha=0.01)
    judge = Judge(ceilings, rule, requests_per_s=400.0, window_s=1.0, shares={"quick": 0.5, "slow": 0.5})
    watch = judge.watch
    assert watch is not None
    assert watch.streams == (0,) * (len(watch.streams) // 2) + (1,) * (len(watch.streams) // 2)
    none, all_late = (0,) * 20, (10,) * 20
    late = [none if stream == 0 else all_late for stream in watch.streams]
    judge.on_progress(Progress(1.0, (20,) * 20, tuple(late), 0, by_stream=((10,) * 20, (10,) * 20)))
    assert judge.decided == "fails"
    assert "p99 of slow" in judge.stopped
