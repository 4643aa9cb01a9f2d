"""The studies of several models or kinds of hardware, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from autotune.errors import AutotuneError
from autotune.search._result import StudyResult
from autotune.store import Store


@dataclass(frozen=True)
class Hardware:
    """A kind of hardware that a study ran on.

    Attributes:
        kind: Its name, such as ``nvidia-h200``.
        hosts: The host of each node of this kind.
        gpus: GPUs of a trial; 0 if it has none.
        cores: CPU cores of a trial.
        price_per_h: Price of one hour of what a trial takes; None if unknown.
    """

    kind: str
    hosts: tuple[str, ...]
    gpus: int
    cores: float
    price_per_h: float | None = None

    @property
    def devices(self) -> float:
        """GPUs of a trial, or CPU cores where it has no GPU."""
        return self.gpus or self.cores

    def per_price(self, rate_per_s: float) -> float | None:
        """Inferences for one unit of the price's currency; None if the price is unknown."""
        return None if self.price_per_h is None else rate_per_s * 3600 / self.price_per_h


@dataclass(frozen=True)
class ModelStudy:
    """What became of one model, on one kind of hardware if there are several.

    Attributes:
        model: Its name.
        result: Its study; None if there was none.
        error: Why there was none, a line; empty with a result.
        hardware: The kind; None if the models were not tuned for each kind.
    """

    model: str
    result: StudyResult | None = None
    error: str = ""
    hardware: Hardware | None = None


@dataclass(frozen=True)
class FleetResult:
    """What became of several models, or of a model on several kinds of hardware.

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
