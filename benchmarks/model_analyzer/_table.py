"""The Markdown of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.model_analyzer._ours import NAME as OURS
from benchmarks.model_analyzer._referee import Sweep, median_per_s
from benchmarks.model_analyzer._search import Search

# Model Analyzer's mode -> what our search and our whole run may take of its time.
TIME_TARGETS = {"quick": (1 / 5, 1 / 2), "optuna": (1 / 8, 1 / 3)}
# How many times the better of theirs our config must sustain.
GAIN_TARGETS = {"accelerator": 1.4, "pipeline": 1.2, "caller": 1.2}
GAIN_TARGET = 1.0


def searches_table(searches: Sequence[Search], sweeps: Mapping[str, Sequence[Sweep]]) -> str:
    """One row for each search: what it took, what it says and what the referee says of its config."""
    lines = [
        "| search | search (s) | whole run (s) | configs | points | its own figure | judged, median | rounds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for search in searches:
        name = f"{search.name} (recorded earlier)" if search.recorded else search.name
        judged = sweeps.get(search.name, ())
        cells = [
            name,
            f"{search.search_s:.0f}",
            f"{search.seconds:.0f}" if search.finished else search.message,
            str(search.tried),
            "" if search.points is None else str(search.points),
            f"{search.reported_per_s:,.0f}" if search.reported_per_s else "",
            f"{median_per_s(judged):,.0f}" if judged else "",
            ", ".join(f"{each.rate_per_s:,.0f}" for each in judged),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdicts(model: str, searches: Sequence[Search], sweeps: Mapping[str, Sequence[Sweep]]) -> list[str]:
    """How our times and our config compare, each with its target."""
    by_name = {search.name: search for search in searches}
    ours = by_name.get(OURS)
    if ours is None or not ours.finished:
        return ["autotune did not search, or not to its end: nothing to compare."]
    lines = []
    for mode, targets in TIME_TARGETS.items():
        theirs = by_name.get(f"Model Analyzer {mode}")
        if theirs is None:
            continue
        pairs = (("search", ours.search_s, theirs.search_s), ("whole run", ours.seconds, theirs.seconds))
        for (what, own_s, other_s), target in zip(pairs, targets, strict=True):
            share = own_s / other_s
            # An unfinished search would have taken longer: our share of its time is this at most.
            bound = "" if theirs.finished else "at most "
            verdict = _reached(share <= target) if theirs.finished or share <= target else "undecided"
            lines.append(f"{what}: {bound}{share:.2f} of {mode}'s time, target {target:.2f}: {verdict}")
    rates = {name: median_per_s(each) for name, each in sweeps.items() if each}
    others = {name: rate for name, rate in rates.items() if name != OURS}
    if OURS in rates and others and max(others.values()) > 0:
        better = max(others, key=lambda name: others[name])
        gain, target = rates[OURS] / others[better], GAIN_TARGETS.get(model, GAIN_TARGET)
        lines.append(f"throughput: {gain:.2f} times {better}'s, target {target:g}: {_reached(gain >= target)}")
    return lines


def _reached(reached: bool) -> str:
    return "reached" if reached else "not reached"
