"""The Pareto front of several objectives: a table, and the first value against each other one."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.objective import Value
from autotune.report._front import config_of, front_lines, is_delivered, measured_how, shown_values, value_names
from autotune.report._values import axis, in_words
from autotune.report.document._blocks import Block, Cell, Column, Paragraph, Section, Table
from autotune.report.document._figure import Axis, Figure, Series, Symbol
from autotune.report.document._source import Source
from autotune.search import Member, scores


def front(source: Source) -> Section | None:
    """Nothing for a study of one objective, or without a feasible trial."""
    result = source.result
    if not result.front:
        return None
    names = value_names(result.objective)
    columns = (Column("trial", numeric=True), *(Column(name, numeric=True) for name in names), Column("config"))
    rows = tuple(
        (
            Cell(str(each.trial.number), each.trial.number),
            *(
                Cell(text, number)
                for text, number in zip(shown_values(each, result.objective), each.values, strict=True)
            ),
            Cell(config_of(each)),
        )
        for each in result.front
    )
    delivered = next((place for place, each in enumerate(result.front) if is_delivered(each, result)), None)
    blocks: list[Block] = [
        *(Paragraph(line) for line in front_lines(result)),
        Paragraph(f"Values are {measured_how(result)}."),
        Table("front", columns, rows, highlighted=delivered),
        *(_figure(place, names, source) for place in range(1, len(names))),
    ]
    return Section("front", "Pareto front", tuple(blocks))


def _figure(place: int, names: Sequence[str], source: Source) -> Figure:
    """The first value against another one."""
    result = source.result
    values = result.objective.values[0], result.objective.values[place]
    tried = [
        Member(trial, scores(trial.outcome, result.objective)) for trial in result.trials if trial.outcome.feasible
    ]
    searched = _series("trials that meet the SLO", "feasible", tried, place, values, "circle")
    members = _series("Pareto front", "delivered", result.front, place, values, "diamond")
    return Figure(
        f"front-{place}",
        f"{names[0]} against {names[place]}",
        f"{len(result.front)} of {len(tried)} trials that meet the SLO are on the front, {measured_how(result)}.",
        Axis(axis(values[0])[1]),
        Axis(axis(values[1])[1]),
        (searched, members),
    )


def _series(
    name: str, colour: str, members: Sequence[Member], place: int, values: tuple[Value, Value], symbol: Symbol
) -> Series:
    x_scale, y_scale = (axis(value)[0] for value in values)
    return Series(
        name,
        tuple(each.values[0] * x_scale for each in members),
        tuple(each.values[place] * y_scale for each in members),
        colour,
        notes=tuple(
            f"trial {each.trial.number}: {in_words(values[0], each.values[0])}, "
            f"{in_words(values[1], each.values[place])}\n{config_of(each)}"
            for each in members
        ),
        symbol=symbol,
    )
