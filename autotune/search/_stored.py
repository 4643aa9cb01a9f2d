"""A study as the store has it, without running anything."""

from __future__ import annotations

import difflib
from pathlib import Path

from autotune.errors import UsageError
from autotune.search._result import StudyResult, summarise
from autotune.search._score import MIN_GAIN
from autotune.store import Store, StudyRecord, Windows


def stored_results(store: Store, results: Path) -> list[StudyResult]:
    """Every study of the database, the newest first; its trials have only the windows that decided."""
    return [_stored(store, record, results, "deciding") for record in reversed(store.studies())]


def stored_result(store: Store, name: str | None, results: Path, windows: Windows = "all") -> StudyResult:
    """One study; ``name`` may be None where the database holds one.

    Args:
        store: The database.
        name: The study's name.
        results: The results directory, in which its config is exported.
        windows: Which windows of its trials are read.

    Raises:
        UsageError: No such study, or several to choose from.
    """
    return _stored(store, find_record(store, name), results, windows)


def find_record(store: Store, name: str | None) -> StudyRecord:
    """The record of one study; ``name`` may be None where the database holds one.

    Raises:
        UsageError: No such study, or several to choose from.
    """
    records = {record.name: record for record in store.studies()}
    if name is None:
        if len(records) == 1:
            return next(iter(records.values()))
        found = f"it holds {', '.join(records)}; name one of them" if records else "it holds no study yet"
        raise UsageError(f"STUDY: {store.url}: {found}")
    if name not in records:
        close = " or ".join(map(repr, difflib.get_close_matches(name, records)))
        hint = f"did you mean {close}?" if close else "'autotune studies list' shows them"
        raise UsageError(f"STUDY: no study {name!r} in {store.url}; {hint}")
    return records[name]


def _stored(store: Store, record: StudyRecord, results: Path, windows: Windows = "all") -> StudyResult:
    best = results / record.name / "best"
    written = sorted(best.glob("*/config.pbtxt"))
    exported = written[0] if len(written) == 1 else best
    return summarise(
        study=record.name,
        model=record.model,
        objective=record.objective,
        trials=store.trials(record, windows=windows),
        runs=store.runs(record, windows=windows),
        min_gain=record.explanation.min_gain if record.explanation else MIN_GAIN,
        storage=store.url,
        config_path=exported if exported.exists() else None,
        explanation=record.explanation,
    )
