"""Which candidate is worth the next trial."""

import numpy as np
import pytest

from autotune.prediction._acquisition import by_merit, expected_improvement, win_probability

OVER = np.array([-0.1, 0.0, 0.1])


def test_candidates_that_may_win_come_first_then_those_that_improve_most():
    order = by_merit(np.array([0.3, 0.1, 0.2]), np.array([False, True, True]))
    assert order.tolist() == [2, 1, 0]


def test_improvement_grows_with_the_expected_value_and_with_the_deviation():
    certain, uncertain = (expected_improvement(OVER, np.full(3, deviation)) for deviation in (0.01, 0.1))
    assert (np.diff(certain) > 0).all()
    assert (uncertain > certain).all()
    assert certain[2] == pytest.approx(0.1, rel=0.01)


def test_a_candidate_as_good_as_the_incumbent_wins_half_the_time_unless_a_gain_is_asked_for():
    deviation = np.full(3, 0.1)
    assert win_probability(OVER, deviation, 0.0)[1] == pytest.approx(0.5)
    assert win_probability(OVER, deviation, 0.02)[1] < 0.5
