"""The explanation of a study's result, as it is stored."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.space import ParameterValue


@dataclass(frozen=True)
class ParameterEffect:
    """The gain from one parameter: the winner against the same config with another value of that parameter.

    Ratios say how many times better the winner is: its rate over the other's, or the other's latency over its own.
    A ratio is infinite if the other config meets the SLO at no rate.

    Attributes:
        parameter: Its name.
        value: The winner's value.
        instead_of: The other value.
        predicted: The predicted ratio; None if there is none.
        measured: The ratio of what two trials measured; None if no trial had the other config.
        at_least: Whether the other config was pruned, so that ``measured`` is a lower bound.
        trial: The trial that had the other config; None if there is none.
    """

    parameter: str
    value: ParameterValue
    instead_of: ParameterValue
    predicted: float | None = None
    measured: float | None = None
    at_least: bool = False
    trial: int | None = None


@dataclass(frozen=True)
class Agreement:
    """How well the simulation agrees with the measured trials.

    Attributes:
        trials: How many are compared.
        rank_correlation: Spearman's; None if they are too few.
        median_error: Median absolute error of the simulated value, as a fraction of the measured one.
    """

    trials: int
    rank_correlation: float | None
    median_error: float


@dataclass(frozen=True)
class Coverage:
    """How much of the space was tried or simulated; the last three add up to the first.

    Attributes:
        configs: Coarse configs of the space, and the refined ones that were tried or simulated.
        tried: Tried in a trial, however it ended.
        simulated: Simulated but not tried.
        unknown: Neither; all untried ones if the space has parameters that are not simulated.
    """

    configs: int
    tried: int
    simulated: int
    unknown: int


@dataclass(frozen=True)
class Explanation:
    """Why the winner won, and how reliable that is.

    Attributes:
        coverage: How much of the space was tried or simulated.
        winner: The number of the winner's trial; None if no config meets the SLO.
        effects: The gain from each changed parameter of the winner, one at a time.
        against: What the winner is compared with, in words; empty if there is nothing to compare with.
        without_effect: Parameters for which no other value changes the winner's forecast by ``min_gain``.
        min_gain: Smallest gain that matters, as a fraction.
        agreement: Simulation against measurement; None if they cannot be compared.
        not_simulated: Why nothing is predicted, in words; empty if something is.
        doubt: Why the forecast is set aside, in words; empty if it is not.
    """

    coverage: Coverage
    winner: int | None = None
    effects: tuple[ParameterEffect, ...] = ()
    against: str = ""
    without_effect: tuple[str, ...] = ()
    min_gain: float = 0.0
    agreement: Agreement | None = None
    not_simulated: str = ""
    doubt: str = ""
