"""The final comparison: the best configs and the baseline, side by side on fresh servers."""

from __future__ import annotations

import math

from autotune.measurement.statistics import Ratio
from autotune.report._format import config_change
from autotune.report._values import axis, column, shown_by
from autotune.report.document._blocks import Block, Cell, Column, Paragraph, Section, Table
from autotune.report.document._figure import Axis, Figure, Series
from autotune.report.document._source import Source
from autotune.search import Finalist, Finals, levels, ratios_to_baseline


def finals(source: Source) -> Section | None:
    """Each finalist's rounds, its ratio to the baseline with its interval, and what was decided."""
    result = source.result
    held = result.finals
    if held is None or not held.rounds:
        return None
    objective = result.objective
    ratios = ratios_to_baseline(held, objective)
    means = levels(held)
    rounds = range(1, held.rounds + 1)
    what = column(objective.value)
    columns = (
        Column("config"),
        *(Column(f"round {number}", numeric=True) for number in rounds),
        Column(f"mean {what}", numeric=True),
        Column("relative to baseline", numeric=True),
        Column("interval", numeric=True),
        Column("changes"),
    )
    rows = tuple(_row(each, source, means, ratios, rounds) for each in held.finalists)
    winner = held.winner.trial.id if held.winner else None
    highlighted = next((index for index, each in enumerate(held.finalists) if each.trial.id == winner), None)
    blocks: list[Block] = [
        Paragraph(
            f"Each config was measured {held.rounds} time{'' if held.rounds == 1 else 's'} on fresh servers, in turns."
            " Means are geometric. Intervals are of the ratio to the baseline, at 95% confidence, corrected for"
            " the number of configs compared."
        ),
        Table("finals", columns, rows, highlighted=highlighted),
        _figure(source, held, means),
    ]
    return Section("finals", "Final comparison", tuple(blocks))


def _row(
    finalist: Finalist, source: Source, means: dict[int, Ratio], ratios: dict[int, Ratio], rounds: range
) -> tuple[Cell, ...]:
    objective = source.result.objective
    shown = shown_by(objective.value)
    trial = finalist.trial
    cells = [Cell(f"trial {trial.number}{' (baseline)' if finalist.is_baseline else ''}")]
    for number in rounds:
        value = finalist.rounds.get(number)
        if value is None:
            cells.append(Cell("-"))
        elif 0 < value < math.inf:
            cells.append(Cell(shown(value), value))
        else:
            cells.append(Cell("violated", style="warning"))
    mean, ratio = means.get(trial.id), ratios.get(trial.id)
    cells.append(Cell(shown(mean.value), mean.value) if mean else Cell("-"))
    cells.append(Cell(f"{ratio.value:.2f} times", ratio.value) if ratio else Cell("-"))
    bounded = ratio is not None and math.isfinite(ratio.high)
    cells.append(Cell(f"{ratio.low:.2f} to {ratio.high:.2f}") if ratio and bounded else Cell("-"))
    cells.append(Cell(config_change(trial.outcome, trial.label)))
    return tuple(cells)


def _figure(source: Source, held: Finals, means: dict[int, Ratio]) -> Figure:
    objective = source.result.objective
    scale, unit = axis(objective.value)
    names = {each.trial.id: each.name for each in source.detailed}
    x: list[str] = []
    y: list[float] = []
    for each in held.finalists:
        kept = [value * scale for value in each.values if 0 < value < math.inf]
        x += [names[each.trial.id]] * len(kept)
        y += kept
    shown = [each for each in held.finalists if each.trial.id in means]
    level = [means[each.trial.id] for each in shown]
    bounded = all(math.isfinite(each.high) for each in level)
    interval = Series(
        "mean with its 95% interval" if bounded else "mean",
        tuple(names[each.trial.id] for each in shown),
        tuple(each.value * scale for each in level),
        "delivered",
        "interval",
        low=tuple(each.low * scale for each in level) if bounded else (),
        high=tuple(each.high * scale for each in level) if bounded else (),
        symbol="diamond",
    )
    single = Series("a round on a fresh server", tuple(x), tuple(y), "pruned")
    return Figure(
        "finals",
        "Final comparison, round by round",
        _conclusion(held),
        Axis("", names=True),
        Axis(unit),
        (single, interval),
    )


def _conclusion(held: Finals) -> str:
    if held.winner is None:
        return "No finalist met the SLO in every round."
    number = held.winner.trial.number
    if held.gain is not None:
        bounds = f"{held.gain.low:.2f} to {held.gain.high:.2f}"
        excludes = held.gain.low > 1 or held.gain.high < 1
        sure = f"the interval, {bounds}, {'excludes 1: the difference is significant' if excludes else 'includes 1'}"
        alone = "a single round has no interval" if not math.isfinite(held.gain.high) else sure
        text = f"Trial {number} reaches {held.gain.value:.2f} times the baseline's value; {alone}."
    elif held.winner.is_baseline:
        text = f"The baseline (trial {number}) stays: no other config is significantly better."
    else:
        text = f"Trial {number} is delivered; the baseline did not meet the SLO here."
    if held.ties:
        ties = ", ".join(f"trial {each.trial.number}" for each in held.ties)
        text += f" No significant difference to {ties}."
    return text
