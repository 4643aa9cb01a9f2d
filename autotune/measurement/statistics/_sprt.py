"""Wald's sequential probability ratio test of a late fraction (Sequential Analysis, 1947).

Between two fractions set apart, one clearly good and one clearly bad, no test with the same error rates needs fewer
requests on average at either of them (Wald and Wolfowitz, Annals of Mathematical Statistics 19, 1948). In between it
still decides, by whichever is nearer on the likelihood scale: fit for races and locating probes, which may be wrong
near the boundary, not for a certificate.
"""

from __future__ import annotations

import math

from autotune.measurement.statistics._sequential import Decision


def sprt(
    requests: float,
    late: float,
    p0: float,
    *,
    good: float | None = None,
    bad: float | None = None,
    alpha: float = 0.05,
    beta: float = 0.05,
) -> Decision:
    """Decides between a good late fraction and a bad one; may be asked after every request.

    Args:
        requests: Requests, or effective requests n/D; fractions are allowed.
        late: Late ones among them, or t/D.
        p0: The fraction allowed, between the two.
        good: A fraction at which "holds" is the right answer; default half of ``p0``.
        bad: A fraction at which "fails" is the right answer; default twice ``p0``,
            or half-way to 1 where that is less.
        alpha: Probability of "fails" at ``good``, at most about this.
        beta: Probability of "holds" at ``bad``, at most about this.

    Raises:
        ValueError: ``good`` is not below ``bad``.
    """
    good = p0 / 2 if good is None else good
    bad = min(2 * p0, (1 + p0) / 2) if bad is None else bad
    if not 0 < good < bad < 1:
        raise ValueError(f"the good fraction {good:g} must be below the bad one {bad:g}, both within (0, 1)")
    ratio = late * math.log(bad / good) + (requests - late) * math.log((1 - bad) / (1 - good))
    if ratio >= math.log((1 - beta) / alpha):
        return "fails"
    if ratio <= math.log(beta / (1 - alpha)):
        return "holds"
    return "undecided"
