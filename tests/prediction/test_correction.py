import numpy as np
import pytest

from autotune.prediction import Residual

GRID = np.arange(0.0, 6.0)[:, np.newaxis]


def test_without_a_measurement_nothing_is_corrected_and_much_is_possible():
    mean, spread = Residual(np.zeros((0, 1)), np.zeros(0), scale=0.1).predict(GRID)
    assert mean == pytest.approx(np.zeros(6))
    assert (spread > 0.1).all()


def test_an_error_that_all_measured_configs_share_is_taken_off_the_others_too():
    mean, _ = Residual(GRID[[0, 5]], np.full(2, -0.3)).predict(GRID)
    assert mean == pytest.approx(np.full(6, -0.3), abs=0.05)  # some of it may have been noise


def test_an_error_of_one_region_stays_there():
    mean, _ = Residual(GRID[[0, 1, 4, 5]], np.array([-0.3, -0.3, 0.0, 0.0])).predict(GRID)
    assert mean[0] < -0.2
    assert abs(mean[5]) < 0.1


def test_a_simulation_that_was_right_is_trusted_more_with_every_measurement():
    spreads = [Residual(GRID[:n], np.zeros(n)).predict(GRID)[1].max() for n in (1, 3, 5)]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.1


def test_a_simulation_that_was_wrong_here_and_there_is_trusted_less():
    right = Residual(GRID[:4], np.zeros(4)).predict(GRID)[1]
    wrong = Residual(GRID[:4], np.array([0.5, -0.5, 0.5, -0.5])).predict(GRID)[1]
    assert (wrong > 2 * right).all()


def test_intervals_cover_as_often_as_a_normal_says():
    rng = np.random.default_rng(3)
    features = rng.uniform(0, 4, (30, 2))
    distance = ((features[:, np.newaxis] - features[np.newaxis]) ** 2).sum(-1)
    covariance = 0.1**2 * (4.0 + np.exp(-0.5 * distance) + 1e-9 * np.eye(30))
    inside = total = 0
    for _ in range(300):
        truth = rng.multivariate_normal(np.zeros(30), covariance)
        seen = truth[:10] + rng.normal(0, 0.035, 10)
        mean, spread = Residual(features[:10], seen).predict(features[10:])
        inside += int((np.abs(truth[10:] - mean) <= 1.96 * spread).sum())
        total += 20
    assert inside / total == pytest.approx(0.95, abs=0.03)


def test_beside_a_config_only_what_it_does_not_share_is_uncertain():
    residual = Residual(GRID[[0, 5]], np.array([-0.3, 0.1]))
    mean, spread = residual.predict(GRID)
    same_mean, apart = residual.predict(GRID, beside=GRID[0])
    assert same_mean == pytest.approx(mean)
    assert apart[0] == pytest.approx(0.0, abs=1e-6)
    assert apart[1] < spread[1]
    assert apart[1] < apart[2] < apart[3]


def test_before_anything_is_measured_what_all_configs_share_cancels_between_two():
    nothing = Residual(np.zeros((0, 1)), np.zeros(0), scale=0.1)
    _, apart = nothing.predict(GRID, beside=GRID[0])
    assert apart[0] == pytest.approx(0.0, abs=1e-6)
    assert apart[5] == pytest.approx(0.1 * np.sqrt(2), rel=1e-3)
