"""A study as the store has it, without running anything."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autotune.errors import AutotuneError, UsageError
from autotune.search._result import StudyResult, summarise
from autotune.search._score import MIN_GAIN, score
from autotune.store import Store, StudyOutline, StudyRecord, Windows


def stored_results(
    store: Store, results: Path, on_damaged: Callable[[AutotuneError], None] | None = None
) -> list[StudyResult]:
    """Every study of the database, the newest first; its trials have only the windows that decided.

    Args:
        store: The database.
        results: The results directory.
        on_damaged: Gets the error of each study that cannot be read; without it, the first one is raised.
    """
    names = reversed(store.study_names())
    found = (_or_damaged(partial(stored_result, store, name, results, "deciding"), on_damaged) for name in names)
    return [each for each in found if each is not None]


def stored_outlines(
    store: Store, results: Path, on_damaged: Callable[[AutotuneError], None] | None = None
) -> list[StudyOutline]:
    """Every study of the database in one line, the newest first; arguments as for `stored_results`."""

    def make(name: str) -> StudyOutline | None:
        result = _or_damaged(partial(stored_result, store, name, results, "deciding"), on_damaged)
        return outline_of(result) if result else None

    return store.outlines(make)


def _or_damaged(
    read: Callable[[], StudyResult], on_damaged: Callable[[AutotuneError], None] | None
) -> StudyResult | None:
    """A study; None if it cannot be read and ``on_damaged`` got the error."""
    try:
        return read()
    except AutotuneError as error:
        if on_damaged is None:
            raise
        on_damaged(error)
        return None


def outline_of(result: StudyResult) -> StudyOutline:
    """A study in one line."""
    best = score(result.best.outcome, result.objective) if result.best else None
    return StudyOutline(result.study, result.model, result.objective, len(result.trials), best, result.gain)


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
    names = store.study_names()
    if name is None:
        if len(names) != 1:
            found = f"it holds {', '.join(names)}; name one of them" if names else "it holds no study yet"
            raise UsageError(f"STUDY: {store.url}: {found}")
        (name,) = names
    record = store.study(name) if name in names else None
    if record is None:
        close = " or ".join(map(repr, difflib.get_close_matches(name, names)))
        hint = f"did you mean {close}?" if close else "'autotune studies list' shows them"
        raise UsageError(f"STUDY: no study {name!r} in {store.url}; {hint}")
    return record


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
