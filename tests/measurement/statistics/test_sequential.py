"""The anytime-valid tests and Wald's test, on independent requests."""

import math

import numpy as np
import pytest

from autotune.measurement.statistics import (
    confidence,
    e_fails,
    e_holds,
    log_e_fails,
    log_e_holds,
)

P0 = 0.01
ALPHA = 0.05


def beta_binomial_e(requests, late, p0):
    """The two-sided reference: the inverse of (n + 1) C(n, t) p0^t (1 - p0)^(n - t)."""
    log_choose = math.lgamma(requests + 1) - math.lgamma(late + 1) - math.lgamma(requests - late + 1)
    log_likelihood = late * math.log(p0) + (requests - late) * math.log1p(-p0)
    return math.exp(-(math.log(requests + 1) + log_choose + log_likelihood))


def fixed_sample_tail(requests, late, p0):
    """P[Bin(n, p0) <= t], the test of a sample size set in advance."""
    terms = [
        math.lgamma(requests + 1)
        - math.lgamma(k + 1)
        - math.lgamma(requests - k + 1)
        + k * math.log(p0)
        + (requests - k) * math.log1p(-p0)
        for k in range(late + 1)
    ]
    return sum(map(math.exp, terms))


def least_requests(passes, late, p0=P0):
    """The least n with ``late`` late requests that passes, n/t being on the holding side."""
    low, high = math.ceil(late / p0) + 1, 100_000
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle + 1, high)
    return low


def watched(p, p0, requests, runs, seed):
    """Counts of independent requests after every 50th, shapes (looks,) and (runs, looks)."""
    looks = np.arange(50, requests + 1, 50)
    late = np.random.default_rng(seed).binomial(50, p, (runs, len(looks))).cumsum(axis=1)
    return looks, late


@pytest.mark.parametrize(("late", "requests"), [(0, 459), (1, 662), (10, 2010)])
def test_the_fixed_sample_reference_reproduces_the_published_sizes(late, requests):
    assert least_requests(lambda n: fixed_sample_tail(n, late, P0) <= 0.01, late) == requests


@pytest.mark.parametrize(
    ("alpha", "late", "fixed", "one_sided", "two_sided"),
    [
        (0.05, 0, 299, 375, 984),
        (0.05, 1, 473, 724, 1262),
        (0.05, 10, 1693, 2224, 2976),
        (0.01, 0, 459, 549, 1161),
        (0.01, 1, 662, 938, 1450),
        (0.01, 10, 2010, 2522, 3224),
    ],
)
def test_requests_needed_to_hold_lie_between_the_fixed_sample_and_the_two_sided_mixture(
    alpha, late, fixed, one_sided, two_sided
):
    assert least_requests(lambda n: fixed_sample_tail(n, late, P0) <= alpha, late) == fixed
    assert least_requests(lambda n: beta_binomial_e(n, late, P0) >= 1 / alpha, late) == two_sided
    needed = least_requests(lambda n: e_holds(n, late, P0) >= 1 / alpha, late)
    assert needed == pytest.approx(one_sided, rel=0.02)


@pytest.mark.parametrize("late", [0, 1, 2, 5, 10, 20, 50, 100])
def test_holding_is_told_sooner_than_by_the_two_sided_mixture(late):
    one_sided = least_requests(lambda n: e_holds(n, late, P0) >= 1 / ALPHA, late)
    assert one_sided < least_requests(lambda n: beta_binomial_e(n, late, P0) >= 1 / ALPHA, late)


@pytest.mark.parametrize("fraction", [0.015, 0.02, 0.05, 0.2, 1.0])
def test_failing_is_told_as_soon_as_by_the_two_sided_mixture_or_one_request_later(fraction):
    sizes = range(1, 10_000)
    one_sided = next(n for n in sizes if e_fails(n, n * fraction, P0) >= 1 / ALPHA)
    two_sided = next(n for n in sizes if beta_binomial_e(n, n * fraction, P0) >= 1 / ALPHA)
    assert one_sided <= two_sided + 1


@pytest.mark.parametrize("p0", [0.001, 0.01, 0.05, 0.5])
def test_at_the_boundary_neither_claim_is_made_too_often_however_often_one_looks(p0):
    runs = 1500
    looks, late = watched(p0, p0, 20_000, runs, seed=1)
    assert np.count_nonzero((log_e_holds(looks, late, p0) >= -math.log(ALPHA)).any(axis=1)) <= ALPHA * runs
    assert np.count_nonzero((log_e_fails(looks, late, p0) >= -math.log(ALPHA)).any(axis=1)) <= ALPHA * runs


def test_on_the_wrong_side_errors_are_rarer_still():
    looks, late = watched(1.3 * P0, P0, 20_000, 1500, seed=2)
    assert np.count_nonzero((log_e_holds(looks, late, P0) >= -math.log(ALPHA)).any(axis=1)) <= 0.5 * ALPHA * 1500
    looks, late = watched(0.7 * P0, P0, 20_000, 1500, seed=3)
    assert np.count_nonzero((log_e_fails(looks, late, P0) >= -math.log(ALPHA)).any(axis=1)) <= 0.5 * ALPHA * 1500


@pytest.mark.parametrize(("p", "median"), [(0.0, 400), (0.002, 800), (0.005, 2500)])
def test_a_rate_that_holds_clearly_is_told_within_thousands_of_requests(p, median):
    looks, late = watched(p, P0, 20_000, 300, seed=4)
    told = (log_e_holds(looks, late, P0) >= -math.log(ALPHA)).argmax(axis=1)
    assert np.median(looks[told]) <= median


@pytest.mark.parametrize(("p", "median"), [(0.02, 1700), (0.05, 250), (0.3, 50)])
def test_a_rate_that_fails_clearly_is_told_sooner(p, median):
    looks, late = watched(p, P0, 20_000, 300, seed=5)
    told = (log_e_fails(looks, late, P0) >= -math.log(ALPHA)).argmax(axis=1)
    assert np.median(looks[told]) <= median


def test_an_e_value_expects_at_most_one_under_the_worst_truth():
    late = np.random.default_rng(6).binomial(300, P0, 200_000)
    for log_e in (log_e_holds, log_e_fails):
        e_values = np.exp(log_e(300, late, P0))
        standard_error = e_values.std() / math.sqrt(len(e_values))
        assert e_values.mean() <= 1 + 4 * standard_error


def test_counts_may_be_fractions():
    assert e_holds(399.5, 0.0, P0) < e_holds(400.0, 0.0, P0) < e_holds(400.5, 0.0, P0)
    assert e_holds(1000.0, 1.0, P0) > e_holds(1000.0, 1.5, P0) > e_holds(1000.0, 2.0, P0)
    assert e_fails(1000.0, 30.0, P0) < e_fails(1000.0, 30.5, P0)


def test_more_evidence_than_a_float_holds_is_still_a_number():
    assert math.isfinite(e_holds(10_000_000, 0, P0))
    assert math.isfinite(e_fails(10_000_000, 10_000_000, P0))
    assert e_holds(10_000_000, 10_000_000, P0) == 0


def test_confidence_is_what_the_e_value_supports():
    assert confidence(0.0) == confidence(0.5) == confidence(1.0) == 0
    assert confidence(20.0) == pytest.approx(0.95)
