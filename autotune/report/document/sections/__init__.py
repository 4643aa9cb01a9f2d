"""The sections of a report: a file each, a function from the study to a section or None."""

from __future__ import annotations

from collections.abc import Callable

from autotune.report.document._blocks import Section
from autotune.report.document._source import Source
from autotune.report.document.sections._batches import batches
from autotune.report.document.sections._finals import finals
from autotune.report.document.sections._front import front
from autotune.report.document.sections._loads import loads
from autotune.report.document.sections._parameters import parameters
from autotune.report.document.sections._prediction import prediction
from autotune.report.document.sections._resources import resources
from autotune.report.document.sections._setup import machine, measuring, repository
from autotune.report.document.sections._tradeoff import tradeoff
from autotune.report.document.sections._trials import failures, trials
from autotune.report.document.sections._verdict import verdict

SECTIONS: tuple[Callable[[Source], Section | None], ...] = (
    verdict,
    front,
    finals,
    tradeoff,
    loads,
    batches,
    parameters,
    prediction,
    resources,
    trials,
    failures,
    machine,
    repository,
    measuring,
)
"""In the order of the report: the verdict first, then what it rests on."""

__all__ = ["SECTIONS"]
