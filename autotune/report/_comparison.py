"""Given configs compared: a table, every round, and the verdict in sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autotune.measurement import Breakdown, Probe, breakdown
from autotune.measurement.statistics import Ratio
from autotune.report._format import latency, mean_batch, rate, wide_console
from autotune.report._reasons import disturbance
from autotune.search.comparison import CheckResult, ComparisonResult, Contender, Gate, Out, Ranking, rank, speedup

_SMALL_DRIFT = 0.1  # a recorded value that differs by less is not worth a sentence (a guess)


def comparison_table(result: ComparisonResult, console: Console | None = None) -> None:
    """Prints a row for each config, its rounds, and the verdict."""
    console = console or wide_console()
    _print_tables(result, console)
    for line in (*_rounds(result), *verdict_lines(result)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def check_lines(result: CheckResult, console: Console | None = None) -> None:
    """Prints the comparison with the baseline, and whether the config passed."""
    console = console or wide_console()
    comparison = result.comparison
    _print_tables(comparison, console)
    for line in (*_rounds(comparison), gate_sentence(result), *_drift(result), *_disturbed(comparison)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def verdict_lines(result: ComparisonResult) -> list[str]:
    """Which config is fastest, which tie with it, which are slower, and which are out, a line each."""
    ranking = rank(result)
    lines = ["Interrupted: only finished rounds are shown."] if result.interrupted else []
    fastest = ranking.fastest
    if fastest is None:
        lines.append(_none_compared(ranking))
    elif ranking.ties:
        lines.append(f"Tie: no significant difference between {_listed([fastest, *ranking.ties])}.")
    elif ranking.slower:
        lines.append(f"Fastest: {fastest.name}.")
    elif not ranking.undecided:
        lines.append(f"Only {fastest.name} could be compared.")
    if fastest is not None:
        lines += [f"Undecided: {each.name}; too few rounds could be measured." for each in ranking.undecided]
        for each in ranking.slower:
            ratio = speedup(fastest, each, result)
            lines.append(f"Slower: {each.name}; {fastest.name} is {_times(ratio)} as fast.")
    lines += [f"{each.name}: {_reason(each)}." for each in ranking.out]
    if result.pairs:
        corrected = f", corrected for {result.pairs} pairs of configs" if result.pairs > 1 else ""
        lines.append(f"Intervals are at 95% confidence{corrected}.")
    return lines + _disturbed(result)


def gate_sentence(result: CheckResult) -> str:
    """Whether the config passed, and why."""
    contenders = {each.name: each for each in result.comparison.contenders}
    ours, allowed, gate = result.comparison.contenders[0], f"{100 * result.allowed:g}%", result.gate
    if ours.out is not None:
        return f"Failed: the config in the repository {_reason(ours)}."
    relative = result.relative
    if result.baseline is None:
        return "Recorded as the baseline." if ours.compared else "Undecided: no round of the config could be measured."
    if relative is None or gate is Gate.UNDECIDED:
        baseline = contenders["baseline"]
        why = f"the baseline {_reason(baseline)}" if not baseline.compared else "fewer than two rounds were measured"
        return f"Undecided: {why}."
    speed = f"the config in the repository is {_times(relative)} as fast as the baseline"
    if gate is Gate.SLOWER:
        return f"Failed: {speed}, significantly more than {allowed} slower."
    if relative.value < 1 - result.allowed:
        return (
            f"Passed: {speed}. It may be more than {allowed} slower, but not significantly; more --rounds may decide."
        )
    return f"Passed: {speed}; it is not significantly more than {allowed} slower."


def _disturbed(result: ComparisonResult) -> list[str]:
    probes = (sample.probe for each in result.contenders for sample in each.samples.values())
    return disturbed_lines([probe for probe in probes if probe is not None])


def disturbed_lines(probes: Sequence[Probe]) -> list[str]:
    """How many of the windows were disturbed, and by what; empty if none was."""
    found = [probe.invalid[0] for probe in probes if probe.invalid]
    if not found:
        return []
    words = f"{len(found)} of {len(probes)} windows disturbed, the first because {disturbance(found[0])}"
    return [f"Warning: {words}. Intervals are narrower on a quiet machine."]


def _drift(result: CheckResult) -> list[str]:
    """Whether the baseline itself differs from its record, which says that something else changed."""
    recorded = result.baseline
    if recorded is None or recorded.metric != str(result.comparison.metric):
        return []
    now = next((each for each in result.comparison.contenders if each.name == "baseline" and each.compared), None)
    if now is None or abs(math.log(now.mean / recorded.mean)) < _SMALL_DRIFT:
        return []
    shown = _value(result.comparison)
    before, after = recorded.environment, result.comparison.environment
    changed = "the model's files changed" if before.model_digest != after.model_digest else "the machine's load differs"
    return [
        f"Note: the baseline's config reached {shown(recorded.mean)} when it was recorded, {shown(now.mean)} now;"
        f" {changed}. The check compares both configs as measured now."
    ]


def _print_tables(result: ComparisonResult, console: Console) -> None:
    """The configs by speed, and where a request's time goes, each within 80 columns."""
    ranking, value = rank(result), result.metric.statistic or "inferences/s"
    speeds = _table("config", value, "relative speed", "")
    latencies = [name for name in ("avg", "p50", "p99") if name != value]
    parts = _table("config", *latencies, "queue", "infer", "mean batch")
    for each in result.contenders:
        mean = _value(result)(each.mean) if each.compared else "-"
        speeds.add_row(Text(each.name), mean, _speed(each, ranking, result), _place(each, ranking))
        parts.add_row(Text(each.name), *_cells(each, latencies))
    console.print(Text(f"{result.model}: {result.metric}", style="italic"))
    console.print(speeds)
    console.print(Text("\nmedians of the rounds", style="italic"))
    console.print(parts)
    console.print()


def _table(*names: str) -> Table:
    table = Table(pad_edge=False, box=None)
    for name in names:
        is_text = name in ("config", "")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name != "config", overflow="fold")
    return table


def _cells(each: Contender, latencies: Sequence[str]) -> list[str]:
    """Medians of the latencies and the parts over the rounds that have a value."""
    probes = [sample.probe for sample in each.samples.values() if sample.probe and sample.value is not None]
    parts = [found for probe in probes if (found := breakdown(probe)) is not None]

    def part(read: Callable[[Breakdown], float]) -> str:
        return latency(_median(map(read, parts)))

    return [
        *(
            latency(statistics.median(probe.latency_s[name] for probe in probes)) if probes else "-"
            for name in latencies
        ),
        part(lambda found: found.queue_s),
        part(lambda found: found.compute_infer_s),
        mean_batch(probes[-1]) if probes else "-",
    ]


def _median(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.median(known) if known else None


def _speed(each: Contender, ranking: Ranking, result: ComparisonResult) -> str:
    if ranking.fastest is None or not each.compared or each is ranking.fastest:
        return "1" if each is ranking.fastest else "-"
    ratio = speedup(each, ranking.fastest, result)
    return "-" if ratio is None else f"{ratio.value:.2f} ({_interval(ratio)})"


def _place(each: Contender, ranking: Ranking) -> str:
    if each is ranking.fastest:
        return "tie" if ranking.ties else "fastest" if ranking.slower else ""
    if each in ranking.ties:
        return "tie"
    return "slower" if each in ranking.slower else each.out.out.value if each.out and each.out.out else "undecided"


def _rounds(result: ComparisonResult) -> list[str]:
    shown = _value(result)
    return [
        f"{each.name}, by round: {', '.join(shown(value) for value in each.rounds.values())}"
        for each in result.contenders
        if each.rounds
    ]


def _value(result: ComparisonResult) -> Callable[[float], str]:
    return latency if result.metric.statistic else rate


def _none_compared(ranking: Ranking) -> str:
    violated = [each for each in ranking.out if each.out is not None and each.out.out is Out.VIOLATED]
    return "No config meets the SLO." if violated else "Undecided: no config could be measured."


def _reason(each: Contender) -> str:
    if each.out is not None:
        return each.out.message
    return next((sample.message for sample in each.samples.values() if sample.message), "was not measured")


def _listed(contenders: Sequence[Contender]) -> str:
    names = [each.name for each in contenders]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _times(ratio: Ratio | None) -> str:
    return "faster" if ratio is None else f"{ratio.value:.2f} times ({_interval(ratio)})"


def _interval(ratio: Ratio) -> str:
    return f"{ratio.low:.2f} to {ratio.high:.2f}" if math.isfinite(ratio.high) else "one round, no interval"
