"""The time that a closed loop's client takes for each answer."""

import numpy as np
import pytest

from autotune.client_time import client_times


@pytest.mark.parametrize("answers", [1, 50, 2000, 3001])
def test_their_mean_is_one(answers):
    takes = client_times(np.random.default_rng(1), answers)
    assert takes.shape == (answers,)
    assert takes.mean() == pytest.approx(1.0)
    assert (takes >= 0).all()


def test_no_answers_take_nothing():
    assert client_times(np.random.default_rng(1), 0).shape == (0,)


def test_one_in_a_hundred_takes_sixty_times_as_long_as_the_others():
    takes = client_times(np.random.default_rng(2), 10_000)
    each_hundred = takes.reshape(100, 100)
    longest = each_hundred.max(axis=1)
    others = (each_hundred.sum(axis=1) - longest) / 99
    assert longest.mean() / others.mean() == pytest.approx(60, rel=0.1)
    # An exponential distribution's median: half of those that are held up are so for more than 0.69 of their mean.
    assert np.median(longest) / longest.mean() == pytest.approx(np.log(2), rel=0.05)


def test_others_are_held_up_with_another_seed_but_for_as_long_in_all():
    one, other = (client_times(np.random.default_rng(seed), 2000) for seed in (3, 4))
    assert (one.argsort()[-20:] != other.argsort()[-20:]).any()
    assert np.sort(one)[-10:] == pytest.approx(np.sort(other)[-10:], rel=0.1)
