"""What a study's outcome owes to what: types that are stored with it."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.space import ParameterValue


@dataclass(frozen=True)
class ParameterEffect:
    """What one parameter of the winner buys, against the winner with that parameter alone put back.

    Ratios say how many times better the winner is: its rate over the other's, or the other's latency over its own.
    Infinite is one where the other keeps the promise at no rate.

    Attributes:
        parameter: Its name.
        value: What the winner has.
        instead_of: What it is put back to.
        predicted: The ratio as simulated and corrected by all trials; None where nothing can be said.
        measured: The ratio of what two trials found; None where no trial had that config.
        at_least: Whether the other config was only found to be beaten, so that ``measured`` is a lower bound.
        trial: The trial that had the other config; None where none had.
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
    """How what is simulated after the last trial compares with what trials located.

    Attributes:
        trials: How many are compared.
        rank_correlation: Spearman's; None where they are too few.
        median_error: Median of the absolute error of the simulated value, as a fraction of the measured one.
    """

    trials: int
    rank_correlation: float | None
    median_error: float


@dataclass(frozen=True)
class Coverage:
    """How much of the space was looked at; the last three add up to the first.

    Attributes:
        configs: In the space, of its refinements those that were tried or simulated.
        tried: By a trial, however it ended.
        simulated: Not tried, but simulated.
        unknown: Neither; also those that differ from others in parameters that a simulation knows nothing of.
    """

    configs: int
    tried: int
    simulated: int
    unknown: int


@dataclass(frozen=True)
class Explanation:
    """Why the winner won, and how far that can be relied on.

    Attributes:
        coverage: How much of the space was looked at.
        winner: The number of the winner's trial; None where no config keeps the promise.
        effects: What parameters of the winner buy, one at a time; none where there is no winner or nothing to say.
        against: Whose values they are put back to, in words; empty where there is nothing to compare with.
        without_effect: Parameters of which no other choice changes the winner's predicted value by ``min_gain``.
        min_gain: By what fraction a config must be better to matter.
        agreement: Simulation against measurement; None where they cannot be compared.
        not_simulated: Why nothing is predicted, in words; empty where it is.
        doubt: Why what is predicted should not be relied on, in words; empty where it may.
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
