"""The loads that flags ask for: ``1:32:8`` -> schedules."""

from __future__ import annotations

from autotune.errors import UsageError
from autotune.load import ClosedLoop, PoissonRate, Schedule

_MOST_STEPS = 1000


def schedules(
    concurrency: str | int | None, rate: str | float | None, *, seed: int, batch_size: int
) -> tuple[Schedule, ...]:
    """Closed loops for ``--concurrency``, Poisson arrivals for ``--rate`` (inferences/s); concurrency 1 for neither.

    Raises:
        UsageError: Both, or a load that cannot be read.
    """
    if concurrency is not None and rate is not None:
        raise UsageError("--rate: give either --concurrency or --rate, not both")
    if rate is not None:
        rates = parse_sweep(str(rate), "--rate")
        return tuple(PoissonRate(per_s / batch_size, seed=seed + index) for index, per_s in enumerate(rates))
    steps = parse_sweep("1" if concurrency is None else str(concurrency), "--concurrency", whole=True)
    return tuple(ClosedLoop(int(step)) for step in steps)


def parse_sweep(text: str, flag: str, *, whole: bool = False) -> list[float]:
    """The values of ``N``, ``START:END`` or ``START:END:STEP`` (step 1 by default); END is the most, not passed.

    Raises:
        UsageError: Not of that form, a value not above zero, an end below the start, or over 1,000 values.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or (whole and not all(number.is_integer() for number in numbers)):
        kind = "whole numbers" if whole else "numbers"
        raise UsageError(f"{flag}: {text!r} is not a load; write N, START:END or START:END:STEP in {kind}")
    if not all(0 < number < float("inf") for number in numbers):
        raise UsageError(f"{flag}: {text!r} has a value that is not above zero")
    start, end, step = (*numbers, numbers[0], 1.0)[:3] if len(numbers) == 1 else (*numbers, 1.0)[:3]
    if end < start:
        raise UsageError(f"{flag}: {text!r} ends below its start; write START:END with END at least START")
    steps = int((end - start) / step + 1e-9) + 1
    if steps > _MOST_STEPS:
        raise UsageError(f"{flag}: {text!r} is {steps} loads; choose a larger STEP in START:END:STEP")
    return [start + index * step for index in range(steps)]
