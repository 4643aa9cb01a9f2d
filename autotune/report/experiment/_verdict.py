"""Which variant wins at which loads, and by how much over all of them."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.report._comparison import disturbed_lines, verdict_lines
from autotune.search.comparison import Ranking, rank
from autotune.search.experiment import ExperimentResult, Load

_MOST_NAMED = 8  # loads that are named one by one


def verdict_of(result: ExperimentResult) -> list[str]:
    """The verdict over all loads, then who is fastest and who ties at which of them; a line each.

    Entrants that could not be measured are named even if nothing is compared.
    """
    lines = ["Interrupted: only finished rounds are shown."] if result.interrupted else []
    failed = [f"{each.name}: {each.failed.message}." for each in result.entrants if each.failed is not None]
    if result.statistic is None or len(result.entrants) < 2 or len(failed) == len(result.entrants):
        return [*lines, *failed]
    if result.round_count < 2:
        return [*lines, *failed, "One round has no interval, so nothing is compared."]
    if result.shared_loads:
        overall = result.overall()
        decided = f"{overall.metric.statistic or 'inferences/s'} at {overall.metric.load}"
        lines += [f"Compared: {decided}.", *verdict_lines(overall), *_first_holds(result, rank(overall))]
    probes = [probe for each in result.entrants for load in each.loads for _, probe in each.windows(load)]
    return [*lines, *(_by_load(result) if len(result.loads) > 1 else ()), *disturbed_lines(probes)]


def _first_holds(result: ExperimentResult, ranking: Ranking) -> list[str]:
    """Whether the first entrant, mostly the plain one, is as good as any."""
    first = result.entrants[0].name
    best = [each.name for each in (ranking.fastest, *ranking.ties) if each is not None]
    if first not in best or ranking.undecided or not (ranking.ties or ranking.slower):
        return []
    return [f"No variant is significantly faster than {first}, the first one."]


def _by_load(result: ExperimentResult) -> list[str]:
    found: dict[str, list[Load]] = {}
    for load in result.loads:
        found.setdefault(_at_load(result, rank(result.at(load))), []).append(load)
    return [f"At {_listed(loads)}: {words}." for words, loads in found.items()]


def _at_load(result: ExperimentResult, ranking: Ranking) -> str:
    """Who wins at one load; the same words if it is the same at another one."""
    best = {each.name for each in (ranking.fastest, *ranking.ties) if each is not None}
    unsure = {each.name for each in ranking.undecided}
    names = [each.name for each in result.entrants if each.name in best | unsure]
    if not best:
        return "no variant could be compared"
    if len(names) == 1:
        return f"{names[0]} is fastest" if ranking.slower else f"only {names[0]} could be compared"
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return f"undecided between {listed}, too few rounds could be measured" if unsure else f"tie of {listed}"


def _listed(loads: Sequence[Load]) -> str:
    """``concurrency 1, 8 and 16``; of many loads the first and the last."""
    if len(loads) > _MOST_NAMED:
        return f"{len(loads)} loads from {loads[0]} to {loads[-1]}"
    words = [str(load) for load in loads]
    head = words[0].rpartition(" ")[0]
    if len(words) > 1 and head and all(word.rpartition(" ")[0] == head for word in words):
        words = [words[0], *(word.rpartition(" ")[2] for word in words[1:])]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
