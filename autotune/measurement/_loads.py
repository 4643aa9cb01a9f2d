"""The loads that flags ask for: ``1:32:8`` -> schedules."""

from __future__ import annotations

from autotune.arrivals import POISSON, Arrivals
from autotune.errors import UsageError
from autotune.limits import MOST_CONCURRENCY, MOST_RATE_PER_S
from autotune.load import ClosedLoop, Schedule, Trace, open_loop

_MOST_STEPS = 1000


def schedules(
    concurrency: str | int | None,
    rate: str | float | None,
    trace: Trace | None = None,
    *,
    arrivals: Arrivals = POISSON,
    seed: int,
    batch_size: int,
    client_s: float = 0.0,
) -> tuple[Schedule, ...]:
    """Closed loops for ``--concurrency``, open ones for ``--rate`` (inferences/s) and ``--trace``; none for none.

    Raises:
        UsageError: More than one of them, arrivals of a closed loop, or a load that cannot be read.
    """
    given = [
        flag
        for flag, value in (("--concurrency", concurrency), ("--rate", rate), ("--trace", trace))
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(f"{given[1]}: give either {given[0]} or {given[1]}, not both")
    if concurrency is not None and arrivals != POISSON:
        raise UsageError(
            "--concurrency: a closed loop sends a request after each answer; give --rate, or drop --arrivals/--trace"
        )
    if trace is not None:
        return (trace,)
    if rate is not None:
        rates = parse_sweep(str(rate), "--rate", most=MOST_RATE_PER_S)
        return tuple(open_loop(arrivals, per_s / batch_size, seed + index) for index, per_s in enumerate(rates))
    if concurrency is None:
        return ()
    steps = parse_sweep(str(concurrency), "--concurrency", whole=True, most=MOST_CONCURRENCY)
    return tuple(ClosedLoop(int(step), client_s) for step in steps)


def parse_sweep(text: str, flag: str, *, whole: bool = False, most: float = MOST_CONCURRENCY) -> list[float]:
    """The values of ``N``, ``START:END`` or ``START:END:STEP`` (step 1 by default), or of several: ``1,8,16:32:8``.

    END is the most, not passed. A value that is there twice counts once.

    Raises:
        UsageError: Not of that form, a value not above zero or above ``most``, an end below the start, or over 1,000
            values.
    """
    parts = [_parse_range(part.strip(), text, flag, whole=whole, most=most) for part in text.split(",")]
    values = list(dict.fromkeys(value for part in parts for value in part))
    if len(values) > _MOST_STEPS:
        raise UsageError(f"{flag}: {text!r} is {len(values)} values; give at most {_MOST_STEPS:,}")
    return values


def _parse_range(part: str, text: str, flag: str, *, whole: bool, most: float) -> list[float]:
    try:
        numbers = [float(number) for number in part.split(":")] if part.isascii() else []
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or (whole and not all(number.is_integer() for number in numbers)):
        kind = "whole numbers" if whole else "numbers"
        raise UsageError(
            f"{flag}: {text!r} is not understood; write N, START:END or START:END:STEP in {kind}, or a list of them"
        )
    if not all(0 < number < float("inf") for number in numbers):
        raise UsageError(f"{flag}: {text!r} has a value that is not above zero; use positive values")
    if max(numbers) > most:
        raise UsageError(f"{flag}: {text!r} has a value above {most:,}; give at most that")
    start, end, step = (*numbers, numbers[0], 1.0)[:3] if len(numbers) == 1 else (*numbers, 1.0)[:3]
    if end < start:
        raise UsageError(f"{flag}: {text!r} ends below its start; write START:END with END at least START")
    steps = (end - start) / step + 1e-9
    if steps >= _MOST_STEPS:
        raise UsageError(f"{flag}: {text!r} is {steps + 1:.0f} values; choose a larger STEP in START:END:STEP")
    return [start + index * step for index in range(int(steps) + 1)]


def load_words(schedule: Schedule, batch_size: int) -> str:
    """A load in words: ``concurrency 8`` or ``rate 1,200/s``, in inferences, or a trace's name.

    With the batch size where it is not 1: ``batch 4, concurrency 8``.
    """
    batch = f"batch {batch_size}, " if batch_size > 1 else ""
    if isinstance(schedule, ClosedLoop):
        return f"{batch}concurrency {schedule.concurrency}"
    if isinstance(schedule, Trace):
        return f"{batch}trace {schedule.name}"
    per_s = schedule.rate_per_s * batch_size
    return f"{batch}rate {per_s:,.{0 if per_s >= 100 else 1}f}/s"
