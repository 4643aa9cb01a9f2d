"""The studies of several models, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from autotune.errors import AutotuneError
from autotune.search._result import StudyResult
from autotune.store import Store


@dataclass(frozen=True)
class ModelStudy:
    """What became of one model.

    Attributes:
        model: Its name.
        result: Its study; None if there was none.
        error: Why there was none, a line; empty with a result.
    """

    model: str
    result: StudyResult | None = None
    error: str = ""


@dataclass(frozen=True)
class FleetResult:
    """What became of the models of a repository.

    Attributes:
        models: In the order in which they were tuned.
        waiting: Those whose turn did not come, because a person stopped it.
    """

    models: tuple[ModelStudy, ...]
    waiting: tuple[str, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether a person stopped it."""
        return bool(self.waiting) or any(each.result is not None and each.result.interrupted for each in self.models)


def longest_first(models: Sequence[tuple[str, int]], store: Store | None) -> list[str]:
    """The models in the order in which they are tuned: those whose trials are expected to take longest first.

    Expected is what the trials of a model's latest study took on average. Models without a study come before these, the
    largest first: a trial loads its files.

    Args:
        models: Name and bytes of each.
        store: Where earlier studies are; None if there is none.
    """
    taken_s = _taken_s(store, {name for name, _ in models}) if store else {}
    return [
        name for name, _ in sorted(models, key=lambda each: (each[0] in taken_s, -taken_s.get(each[0], 0.0), -each[1]))
    ]


def _taken_s(store: Store, models: set[str]) -> dict[str, float]:
    """Mean seconds of a trial in the latest study of each model that has one."""
    taken_s: dict[str, float] = {}
    for name in reversed(store.study_names()):
        with suppress(AutotuneError):  # a damaged study says nothing
            study = store.study(name)
            if study is None or study.model in taken_s or study.model not in models:
                continue
            seconds = [trial.outcome.seconds for trial in store.trials(study, windows="deciding")]
            if seconds:
                taken_s[study.model] = sum(seconds) / len(seconds)
    return taken_s
