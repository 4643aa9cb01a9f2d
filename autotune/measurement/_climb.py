"""The most that a config completes in a closed loop: with as many requests outstanding as keep the promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autotune.measurement._certify import Certificate
from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._question import Question
from autotune.measurement._types import Probe
from autotune.objective import Ceiling

_MOST_WINDOWS = 8
_MOST_CONCURRENCY = 1024
_RULE = StopRule(fails_alpha=0.05)
# Of a probe: while looking, and of what was found. A lucky window of half a second would be delivered else.
_LOOKING, _CONFIRMING = 0.5, 1.0
# About what part of the strictest limit the mean latency comes to where the limit is just kept.
_MEAN_OF_LIMIT = 0.7
# Up to this multiple of where to begin, either way, a concurrency that fills batches is taken instead.
_NEAR = 1.2
# Nearer to each other two concurrencies are not told apart by what they complete.
_NARROW = 1.15
# Latency grows with what is outstanding; a little less than where that meets the limit is tried.
_SHY = 0.95
_LEAST_GROWTH, _MOST_GROWTH = 1.25, 2.0
# More outstanding requests that complete hardly more only wait: the climb ends there, and the fewest are taken of those
# that complete about as many. Nearer to the limit a window breaks it by chance.
_FLAT, _ABOUT_AS_MANY = 0.02, 0.01
# A throughput as far below the one to beat is not the scatter of a window.
_CLEARLY_LESS = 0.03
# Of the concurrency that was best, one after the other until one holds: a spell of pauses should not throw far back.
_CONFIRMED_PARTS = (0.9, 0.8, 0.65, 0.5, 0.35, 0.2)
_AS_MANY = 1.1  # times as many requests, or as few
# Of the concurrency that was found: where latency leaves room all of it, as fewer may not fill the batches any more.
# The last one only where none before it kept every ceiling.
_CERTIFIED_PARTS = (1.0, 0.8, 0.65)
# Of its window, after which an attempt ends that would not be long enough for a proof: soon at first, as fewer
# outstanding requests are more easily shown to keep the ceilings.
_GIVE_UP_FIRST_PART, _GIVE_UP_PART = 0.3, 0.5


@dataclass(frozen=True)
class Climbed:
    """Where the climb ended.

    Attributes:
        probe: The window that decides.
        beaten: Whether it completes less than was to be beaten.
    """

    probe: Probe
    beaten: bool


def climb(prober: Prober, screened: Probe, question: Question) -> Climbed:
    """Keeps more requests outstanding while every ceiling is kept and more is completed, and fewer while one is not.

    The highest of several windows is mostly a lucky one: what was best is offered again, once more where it breaks a
    ceiling then, and with fewer and fewer outstanding requests; the first of these windows that holds counts.

    Args:
        prober: Runs the windows.
        screened: One request at a time, which kept every ceiling.
        question: Where to begin, and what is to be beaten: a window that breaks a ceiling and completes less ends
            the climb, as fewer outstanding requests complete less still; two of them do where more held before.
    """
    to_beat = question.beat_per_s or 0.0
    held, failing = _ascend(prober, screened, question)
    if max(each.achieved_per_s for each in held) < to_beat:
        return Climbed(failing or _best(held), beaten=True)
    best = _best(held)
    doubted = False
    for concurrency in _to_confirm(best, held, prober.filling_batches):
        again = _window(prober, concurrency, question, best.achieved_per_s, _CONFIRMING)
        if again.holds:
            return Climbed(again, beaten=again.achieved_per_s < to_beat)
        clearly_less = again.achieved_per_s < _clearly_less(to_beat)
        if clearly_less and doubted:  # once a pause may do it
            return Climbed(again, beaten=True)
        doubted = clearly_less
    return Climbed(screened, beaten=screened.achieved_per_s < to_beat)


def certify_concurrency(prober: Prober, concurrency: int, within_s: float = math.inf) -> Certificate:
    """Tests with fresh windows that as many outstanding requests keep every ceiling, and clearly fewer then.

    Each attempt takes its part of the chance of being wrong, so that all together stay within 1 - confidence; it ends
    once its window is seen to be too short for a proof. Where nothing is proved, the one with more outstanding requests
    that held counts: fewer are not much surer then, and complete less.
    """
    options = prober.options
    wanted = 1 - options.confidence
    alpha = wanted / len(_CERTIFIED_PARTS)
    window_s = min(options.certify_s, within_s / len(_CERTIFIED_PARTS))
    attempts: list[Certificate] = []
    for part in _CERTIFIED_PARTS:
        if part == _CERTIFIED_PARTS[-1] and any(each.kept for each in attempts):
            break
        give_up_after_s = max(options.probe_s, (_GIVE_UP_PART if attempts else _GIVE_UP_FIRST_PART) * window_s)
        rule = StopRule(holds_alpha=alpha, fails_alpha=0.05, give_up_after_s=give_up_after_s)
        probe = prober.closed_loop("certify", max(1, int(concurrency * part)), window_s, rule)
        sure = min((evidence.confidence for evidence in probe.evidence), default=0.0)
        attempts.append(Certificate(probe, max(0.0, 1 - (1 - sure) * wanted / alpha), kept=probe.holds))
        if probe.holds and sure >= 1 - alpha:
            break
    return max(attempts, key=lambda each: (each.kept, each.confidence >= options.confidence))  # the first of equals


def _best(held: Sequence[Probe]) -> Probe:
    """Of the windows that completed about as many as the most did, the one with the fewest outstanding requests."""
    most_per_s = max(each.achieved_per_s for each in held)
    about_as_many = [each for each in held if each.achieved_per_s >= (1 - _ABOUT_AS_MANY) * most_per_s]
    return min(about_as_many, key=lambda each: each.concurrency or 1)


def _to_confirm(best: Probe, held: Sequence[Probe], filling_batches: Callable[[float], int]) -> Iterator[int]:
    """Outstanding requests to offer again, one after the other until one holds.

    Those of the best window that held, twice, as a pause may break the first; then parts of them. Instead of a part
    what is near it and held, or makes full batches, which are full with that many and fall apart with others.
    """
    highest = fewest = best.concurrency or 1
    yield highest
    yield highest
    seen = {each.concurrency or 1 for each in held}
    for part in _CONFIRMED_PARTS:
        wanted = max(1, int(highest * part))
        near = [each for each in (*seen, filling_batches(wanted)) if _as_many(each, wanted) and each < fewest]
        concurrency = min(near, key=lambda each: (each not in seen, abs(each - wanted)), default=wanted)
        if concurrency < fewest:
            yield concurrency
            fewest = concurrency


def _as_many(one: int, other: int) -> bool:
    """Whether two numbers of requests are about the same."""
    return other / _AS_MANY <= one <= other * _AS_MANY


def _ascend(prober: Prober, screened: Probe, question: Question) -> tuple[list[Probe], Probe | None]:
    """The windows that kept every ceiling, and the one with the fewest outstanding requests that did not, if any."""
    held = [screened]  # the last one with the most outstanding
    failing: Probe | None = None
    doubted = False
    most = prober.options.max_concurrency or _MOST_CONCURRENCY
    concurrency: int | None = min(most, question.concurrency or _first(prober, question))
    for _ in range(_MOST_WINDOWS):
        if concurrency is None:
            break
        probe = _window(prober, concurrency, question, held[-1].achieved_per_s)
        if probe.holds:
            held.append(probe)
            if probe.achieved_per_s < held[-2].achieved_per_s * (1 + _FLAT):
                break
        elif not (probe.certain or doubted):  # a pause may have done it
            doubted = True
            continue
        else:
            failing = probe
            if max(each.achieved_per_s for each in (probe, *held)) < _clearly_less(question.beat_per_s or 0.0):
                break
        concurrency = _next(held[-1], failing, prober.objective.ceilings, most)
    return held, failing


def _clearly_less(to_beat_per_s: float) -> float:
    """Inferences/s under which a config does not complete as many as it is to beat, whatever a window scatters by."""
    return to_beat_per_s * (1 - _CLEARLY_LESS)


def _window(
    prober: Prober, concurrency: int, question: Question, seen_per_s: float, shortest: float = _LOOKING
) -> Probe:
    """So many outstanding requests, for long enough at the throughput that is expected or was seen."""
    options = prober.options
    shortest_s = options.probe_s * max(shortest, min(1.0, question.effort))
    requests_per_s = max(_expected_per_s(question), seen_per_s) / prober.batch_size
    window_s = options.window_s(shortest_s, requests_per_s, prober.objective)
    return prober.closed_loop("locate", concurrency, window_s, _RULE)


def _first(prober: Prober, question: Question) -> int:
    """Where to begin: by Little's law where the throughput is known about, else enough to fill every instance.

    Instead, a number near it that makes full batches, where there is one.
    """
    expected_per_s = _expected_per_s(question)
    if not expected_per_s:
        return max(2, prober.saturating_concurrency() // 2)
    strictest_s = min(each.limit_s for each in prober.objective.ceilings)
    requests = _MEAN_OF_LIMIT * strictest_s * expected_per_s / prober.batch_size
    full = prober.filling_batches(requests)
    return max(2, min(_MOST_CONCURRENCY, full if 1 / _NEAR <= full / requests <= _NEAR else round(requests)))


def _expected_per_s(question: Question) -> float:
    return max(question.around_per_s or 0.0, question.beat_per_s or 0.0)


def _next(highest: Probe, failing: Probe | None, ceilings: tuple[Ceiling, ...], most: int) -> int | None:
    """How many to keep outstanding next, by how far the latency is from its limit; None where that is settled."""
    low = highest.concurrency or 1
    if failing is None:
        growth = min(_MOST_GROWTH, max(_LEAST_GROWTH, _SHY * _room(highest, ceilings)))
        wanted = min(most, max(low + 1, round(low * growth)))
        return wanted if wanted > low else None
    high = failing.concurrency or 1
    if high <= max(low + 1, low * _NARROW):
        return None
    room = _room(failing, ceilings)
    wanted = round(high * _SHY * room) if room < 1 else round(math.sqrt(low * high))
    least, largest = low * math.sqrt(_NARROW), high / math.sqrt(_NARROW)
    return min(max(wanted, math.ceil(least), low + 1), max(int(largest), low + 1))


def _room(probe: Probe, ceilings: tuple[Ceiling, ...]) -> float:
    """The limit as a multiple of the latency, of the ceiling that is nearest to it."""
    return 1 / max((each.ratio(probe.latency_s[each.statistic]) for each in ceilings), default=0.0)
