"""The Pareto front of a study with several objectives."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from autotune.objective import Objective
from autotune.report._format import config_change
from autotune.report._values import column, columns_beside, shown_by
from autotune.search import Member, StudyResult


def value_names(objective: Objective) -> list[str]:
    """What each of the objective's values is called, with the load of a latency that is measured at another one."""
    beside = {value: name for name, value in columns_beside(objective)}
    return [beside.get(value, column(value)) for value in objective.values]


def front_table(result: StudyResult) -> Table:
    """A row for each config of the front, the best by the first value first; the delivered one has an asterisk."""
    table = Table(title=f"Pareto front, {measured_how(result)}", title_justify="left", pad_edge=False, box=None)
    for name in ("trial", *value_names(result.objective)):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("config", overflow="fold", min_width=12)
    for each in result.front:
        best = is_delivered(each, result)
        cells = [f"{'*' if best else ''}{each.trial.number}", *shown_values(each, result.objective)]
        table.add_row(
            *(Text(cell, style="bold green" if best else "") for cell in (*cells, config_of(each))),
        )
    return table


def shown_values(member: Member, objective: Objective) -> list[str]:
    """A member's values as a person reads them."""
    return [shown_by(value)(number) for value, number in zip(objective.values, member.values, strict=True)]


def config_of(member: Member) -> str:
    """What a member serves, on one line."""
    return config_change(member.trial.outcome, member.trial.label)


def is_delivered(member: Member, result: StudyResult) -> bool:
    """Whether it is the member whose config is delivered."""
    return result.best is not None and member.trial.id == result.best.id


def measured_how(result: StudyResult) -> str:
    """What the front's values rest on."""
    if result.finals is not None and result.finals.front:
        return "means over the rounds of the final comparison, on fresh servers"
    return "by single measurements of the search, which are partly luck"


def front_lines(result: StudyResult) -> list[str]:
    """Which config of the front is delivered, and how to get another one; nothing for one objective."""
    if not result.front:
        return []
    first = result.objective.value
    most = "highest" if first.maximise else "lowest"
    count = len(result.front)
    others = f"; export another with: autotune export {result.study} --trial N" if count > 1 else ""
    return [
        f"Pareto front of {count} config{'' if count == 1 else 's'}: the one with the {most} {first.name} is delivered"
        f"{others}."
    ]
