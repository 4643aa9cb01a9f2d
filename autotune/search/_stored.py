"""A study as the store has it, without running anything."""

from __future__ import annotations

import difflib
from pathlib import Path

from autotune.errors import UsageError
from autotune.search._result import StudyResult, summarise
from autotune.search._score import MIN_GAIN
from autotune.store import Store, StudyRecord


def stored_results(store: Store, results: Path) -> list[StudyResult]:
    """Every study of the database, the newest first."""
    return [_stored(store, record, results) for record in reversed(store.studies())]


def stored_result(store: Store, name: str | None, results: Path) -> StudyResult:
    """One study; ``name`` may be None where the database holds one.

    Raises:
        UsageError: No such study, or several to choose from.
    """
    records = {record.name: record for record in store.studies()}
    if name is None:
        if len(records) == 1:
            return _stored(store, next(iter(records.values())), results)
        found = f"it holds {', '.join(records)}; name one of them" if records else "it holds no study yet"
        raise UsageError(f"STUDY: {store.url}: {found}")
    if name not in records:
        close = difflib.get_close_matches(name, records, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "'autotune studies list' shows them"
        raise UsageError(f"STUDY: no study {name!r} in {store.url}; {hint}")
    return _stored(store, records[name], results)


def _stored(store: Store, record: StudyRecord, results: Path) -> StudyResult:
    best = results / record.name / "best"
    written = sorted(best.glob("*/config.pbtxt"))
    exported = written[0] if len(written) == 1 else best
    return summarise(
        study=record.name,
        model=record.model,
        objective=record.objective,
        trials=store.trials(record),
        runs=store.runs(record),
        min_gain=record.explanation.min_gain if record.explanation else MIN_GAIN,
        storage=store.url,
        config_path=exported if exported.exists() else None,
        explanation=record.explanation,
    )
