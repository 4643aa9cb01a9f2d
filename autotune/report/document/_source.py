"""What a report is made from: a study, and all windows of the configs that it shows in detail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.report._format import config_change
from autotune.search import find_record, stored_result

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.search import StudyResult
    from autotune.store import Store, StudyRecord, TrialRecord, WindowCount

_COLOURS = ("rival", "rival2")


@dataclass(frozen=True)
class Detailed:
    """A config that is shown in detail.

    Attributes:
        name: ``trial 6 (delivered)``.
        short: ``delivered``, ``baseline``, ``nearest``; ``trial 5`` of other finalists.
        colour: Its colour in all plots.
        trial: Its trial, with all its windows.
        runs: Its runs in the final comparison, with all their windows.
    """

    name: str
    short: str
    colour: str
    trial: TrialRecord
    runs: tuple[TrialRecord, ...] = ()

    @property
    def windows(self) -> tuple[Probe, ...]:
        """All windows of the load that is asked for, without those of warm-ups."""
        every = (probe for record in (self.trial, *self.runs) for probe in record.probes)
        return tuple(probe for probe in every if probe.purpose not in ("warm-up", "sizes"))

    @property
    def deciding(self) -> tuple[Probe, ...]:
        """The window that decided, of its trial and of each run."""
        measured = (record.outcome.measurement for record in (self.trial, *self.runs))
        return tuple(each.decided_by for each in measured if each is not None and each.decided_by is not None)

    @property
    def change(self) -> str:
        """Its config in words."""
        return config_change(self.trial.outcome, self.trial.label)


@dataclass(frozen=True)
class Source:
    """A study, as far as a report needs it.

    Attributes:
        result: The study; its trials have only the windows that decided.
        record: The study's row.
        runs: Runs beside its trials: rounds of final comparisons and certificates.
        window_counts: How many windows there were.
        detailed: The configs that are shown in detail: the baseline, the delivered config, other finalists; the nearest
            miss if no config meets the SLO.
    """

    result: StudyResult
    record: StudyRecord
    runs: tuple[TrialRecord, ...]
    window_counts: tuple[WindowCount, ...]
    detailed: tuple[Detailed, ...]

    @property
    def main(self) -> Detailed | None:
        """The delivered config, or the nearest miss if none is; None if nothing was measured."""
        chosen = self.result.best or self.result.nearest
        return next((each for each in self.detailed if chosen is not None and each.trial.id == chosen.id), None)

    @property
    def baseline(self) -> Detailed | None:
        """The baseline, if it was measured and is not the delivered config."""
        others = (each for each in self.detailed if each is not self.main)
        known = self.result.baseline
        return next((each for each in others if known is not None and each.trial.id == known.id), None)


def read_source(store: Store, study: str | None, results: Path) -> Source:
    """Reads a study for a report.

    Raises:
        UsageError: No such study, or several to choose from.
    """
    record = find_record(store, study)
    result = stored_result(store, record.name, results, windows="deciding")
    runs = store.runs(record, windows="deciding")
    chosen = _chosen(result)
    theirs = [run for run in runs if run.trial_id in {trial.id for trial in chosen}]
    whole = {each.id: each for each in store.with_windows([*chosen, *theirs])}
    return Source(
        result=result,
        record=record,
        runs=tuple(runs),
        window_counts=tuple(store.window_counts(record)),
        detailed=tuple(_detailed(result, [whole[each.id] for each in chosen], whole.values())),
    )


def brief_source(record: StudyRecord, result: StudyResult) -> Source:
    """A study without windows other than those that decided: enough for plots of its trials."""
    return Source(result, record, (), (), tuple(_detailed(result, _chosen(result), ())))


def _chosen(result: StudyResult) -> list[TrialRecord]:
    """The baseline, other finalists, and the delivered config or the nearest miss last, on top of all others."""
    finalists = [each.trial for each in result.finals.finalists] if result.finals else []
    main = result.best or result.nearest
    candidates = [result.baseline, *finalists, main]
    measured = [each for each in candidates if each is not None and each.outcome.measurement is not None]
    order = {each.id: each for each in measured}
    if main is not None and main.id in order:
        order[main.id] = order.pop(main.id)
    return list(order.values())


def _detailed(result: StudyResult, trials: Sequence[TrialRecord], whole: Iterable[TrialRecord]) -> Iterable[Detailed]:
    colours = iter((*_COLOURS, *["pruned"] * len(trials)))
    runs = [each for each in whole if each.role != "trial"]
    for trial in trials:
        is_baseline = result.baseline is not None and trial.id == result.baseline.id
        is_best = result.best is not None and trial.id == result.best.id
        is_nearest = result.nearest is not None and trial.id == result.nearest.id
        what = ", ".join(
            word
            for word, applies in (("baseline", is_baseline), ("delivered", is_best), ("nearest", is_nearest))
            if applies
        )
        colour = "delivered" if is_best or is_nearest else "baseline" if is_baseline else next(colours)
        yield Detailed(
            name=f"trial {trial.number}" + (f" ({what})" if what else ""),
            short=what.partition(",")[0] or f"trial {trial.number}",
            colour=colour,
            trial=trial,
            runs=tuple(run for run in runs if run.trial_id == trial.id),
        )
