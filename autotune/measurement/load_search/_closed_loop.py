"""The concurrency of a closed loop as the axis of a load search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from autotune.measurement._judge import StopRule
from autotune.measurement._prober import Prober
from autotune.measurement._question import Question
from autotune.measurement._reasons import Infeasible
from autotune.measurement._types import Probe, Purpose
from autotune.measurement.load_search._axis import Found

_JUDGED: tuple[Purpose, ...] = ("race", "locate", "certify")


class ConcurrencyAxis:
    """Levels are outstanding requests. The answer is what a fresh window at the best of them completes.

    More outstanding requests complete more and wait longer, but not strictly: batches that fill with as many requests
    as they hold fall apart with others. So the level that was found is offered again, and so are its neighbours: a
    config that meets its ceilings at one concurrency only is not robust.

    Args:
        prober: Runs the windows.
        question: Where to begin, and how much time to take.
        alone: One request at a time, which met every ceiling; None where that was not offered.
        profiled_per_s: The most that a profile's window within the ceilings completed; None without any.
    """

    monotone = False

    def __init__(
        self, prober: Prober, question: Question, alone: Probe | None = None, profiled_per_s: float | None = None
    ) -> None:
        self.prober = prober
        self.slack = prober.options.resolution
        self._question = question
        self._part = prober.options.rough_loop_part if question.effort < 1 and not question.brief else 1.0
        self._alone = alone
        self._expected_per_s = max(question.around_per_s or profiled_per_s or 0.0, question.beat_per_s or 0.0)

    def first(self) -> tuple[float | None, float]:
        """The given concurrency, else by Little's law what the expected throughput needs, else what fills instances."""
        options = self.prober.options
        level = float(self._question.concurrency or 0)
        if not level and self._expected_per_s:
            strictest_s = min(each.limit_s for each in self.prober.objective.ceilings)
            requests = options.mean_of_limit * strictest_s * self._expected_per_s / self.prober.batch_size
            level = self._filling(requests, options.near_concurrency) or max(2, round(requests))
        level = min(level or max(2, self.prober.saturating_concurrency() // 2), options.max_concurrency)
        return (level if self._question.beat_per_s is not None else None), level

    def offer(self, purpose: Purpose, level: float, at_least_s: float, rule: StopRule) -> Probe:
        """See `LoadAxis`."""
        return self._window(purpose, level, self._part * at_least_s, rule)

    def _window(self, purpose: Purpose, level: float, at_least_s: float, rule: StopRule) -> Probe:
        requests_per_s = self.per_s(level) / self.prober.batch_size
        window_s = self.prober.options.window_s(at_least_s, requests_per_s, self.prober.objective)
        return self.prober.closed_loop(purpose, int(level), window_s, rule)

    def level(self, probe: Probe) -> float | None:
        """See `LoadAxis`."""
        return probe.concurrency if probe.purpose in _JUDGED else None

    def per_s(self, level: float) -> float:
        """What the nearest concurrency so far completed; before that what is expected."""
        offered = [probe for probe in self.prober.counted if self.level(probe) is not None]
        nearest = min(offered, key=lambda probe: abs(math.log((probe.concurrency or 1) / level)), default=None)
        return nearest.achieved_per_s if nearest else self._expected_per_s

    def lower(self, level: float, by: float) -> float:
        """See `LoadAxis`."""
        return max(1, min(level - 1, level // by))

    def next(self, probes: Sequence[Probe], spent_s: float) -> float | None:
        """By how far latency is from its limit; None once neighbours were offered, or more complete no more."""
        if self._question.brief and self._question.concurrency:
            return None
        options = self.prober.options
        held, failing = self._ends(probes)
        low = held.concurrency or 1 if held else 0
        if failing is None:
            below = [probe.achieved_per_s for probe in self._held(probes) if (probe.concurrency or 1) < low]
            if held is None or (below and held.achieved_per_s < max(below) * (1 + options.flat)):
                return None
            growth = min(options.most_growth, max(options.least_growth, options.shy * self._room(held)))
            wanted = min(options.max_concurrency, max(low + 1, round(low * growth)))
            return wanted if wanted > low else None
        high = failing.concurrency or 1
        if high <= max(low + 1, low * options.narrow_concurrency):
            return None
        room = self._room(failing)
        wanted = round(high * options.shy * room) if room < 1 else round(math.sqrt(max(1, low) * high))
        margin = math.sqrt(options.narrow_concurrency)
        return min(max(wanted, math.ceil(low * margin), low + 1), max(int(high / margin), low + 1))

    def settle(self, probes: Sequence[Probe]) -> Found:
        """Offers the best level again, then lower ones, until one holds and is robust."""
        options, beat_per_s = self.prober.options, self._question.beat_per_s or 0.0
        held, failing = self._held(probes), self._ends(probes)[1]
        most_per_s = max((probe.achieved_per_s for probe in held), default=0.0)
        if not self._question.brief and held and most_per_s < beat_per_s:
            return Found(failing or self._best(held), reason=Infeasible.PRUNED)
        best = self._best(held) if held else None
        highest = best.concurrency or 1 if best else int(self._question.concurrency or probes[-1].concurrency or 1)
        reason, decided = Infeasible.NO_LOAD, None
        clearly_less = 0
        limit = math.inf
        for concurrency in self._to_confirm(highest, held, probes):
            if concurrency >= limit:
                continue
            again = self._confirmed(concurrency, probes)
            if again.holds:
                unlike = None if self._question.brief else self._fragile_at(again)
                if unlike is None and again.achieved_per_s < beat_per_s:
                    return Found(again, reason=Infeasible.PRUNED)
                if unlike is None:
                    fails = None if failing is None else float(failing.concurrency or 1)
                    return Found(again, again.achieved_per_s, concurrency, fails)
                reason, decided = Infeasible.NOT_ROBUST, unlike
                limit = concurrency
            clearly_less += again.achieved_per_s < beat_per_s * (1 - options.resolution)
            if clearly_less > 1:  # one pause of the machine may do it once
                return Found(again, reason=Infeasible.PRUNED)
        return Found(decided or self._nearest_miss(), reason=reason)

    def _confirmed(self, concurrency: int, probes: Sequence[Probe]) -> Probe:
        """A fresh window; a brief question's only one is fresh already."""
        last = probes[-1] if probes else None
        if self._question.brief and last is not None and last.holds and last.concurrency == concurrency:
            return last
        rule = StopRule(fails_alpha=self.prober.options.search_alpha)
        return self._window("locate", concurrency, self.prober.options.round_s, rule)

    def _fragile_at(self, found: Probe) -> Probe | None:
        """A neighbouring concurrency at which a ceiling is violated, or above which throughput collapses.

        With more outstanding requests a ceiling may be violated: they wait longer.
        """
        options, level = self.prober.options, found.concurrency or 1
        rule = StopRule(fails_alpha=options.search_alpha)
        for part in (options.fewer_part, options.more_part):
            neighbour = min(options.max_concurrency, max(1, round(level * part)))
            if neighbour == level:
                continue
            least_per_s = (1 - options.collapse) * found.achieved_per_s if part > 1 else 0.0
            for _ in range(2):  # one pause of the machine may do it once
                probe = self.offer("locate", neighbour, options.probe_s, rule)
                fragile = probe.achieved_per_s < least_per_s or (part < 1 and not probe.holds)
                if not fragile:
                    break
            if fragile:
                return probe
        return None

    def _to_confirm(self, highest: int, held: Sequence[Probe], probes: Sequence[Probe]) -> Iterator[int]:
        """Concurrencies to offer again: the best twice, as a pause may disturb the first, then parts of it.

        Instead of a part what is near it and held, or makes full batches.
        """
        fewest = highest
        if held or not probes:
            yield highest
        yield highest
        options = self.prober.options
        seen = {probe.concurrency or 1 for probe in held}
        for part in options.confirmed_parts:
            wanted = max(1, int(highest * part))
            full = self._filling(wanted, options.as_many)
            near = [each for each in (*seen, full) if each and wanted / options.as_many <= each < fewest]
            near = [each for each in near if each <= wanted * options.as_many]
            level = int(min(near, key=lambda each: (each not in seen, abs(each - wanted)), default=wanted))
            if level < fewest:
                yield level
                fewest = level

    def _held(self, probes: Sequence[Probe]) -> list[Probe]:
        held = [probe for probe in probes if probe.holds]
        return [self._alone, *held] if self._alone is not None and self._alone.holds else held

    def _ends(self, probes: Sequence[Probe]) -> tuple[Probe | None, Probe | None]:
        """The most outstanding requests that met every ceiling, and the fewest above them that did not."""
        held = max(self._held(probes), key=lambda probe: probe.concurrency or 1, default=None)
        low = held.concurrency or 1 if held else 0
        failing = [probe for probe in probes if not probe.holds and (probe.concurrency or 1) > low]
        return held, min(failing, key=lambda probe: probe.concurrency or 1, default=None)

    def _best(self, held: Sequence[Probe]) -> Probe:
        """Of those that completed about as many as the most did, the one with the fewest outstanding requests."""
        least_per_s = (1 - self.prober.options.about_as_many) * max(probe.achieved_per_s for probe in held)
        about_as_many = [probe for probe in held if probe.achieved_per_s >= least_per_s]
        return min(about_as_many, key=lambda probe: probe.concurrency or 1)

    def _nearest_miss(self) -> Probe:
        failed = [probe for probe in self.prober.counted if self.level(probe) is not None and not probe.holds]
        return max(failed, key=self._room)

    def _room(self, probe: Probe) -> float:
        """The limit as a multiple of the latency, of the ceiling that is nearest to it."""
        ceilings = self.prober.objective.ceilings
        ratio = max(each.ratio(probe.latency_s[each.key]) for each in ceilings)
        return 1 / ratio if ratio else math.inf

    def _filling(self, requests: float, within: float) -> int:
        """The number of outstanding requests near this one that makes full batches; 0 where there is none."""
        full = self.prober.filling_batches(requests)
        return full if 1 / within <= full / requests <= within else 0
