"""Plots of the report in Optuna's dashboard, as graph objects of the study."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from autotune.report.document._figure import Figure
from autotune.report.document._palette import PALETTE
from autotune.report.document._plotly import plotly_figure
from autotune.report.document._source import brief_source
from autotune.report.document.sections._front import front
from autotune.report.document.sections._prediction import prediction
from autotune.report.document.sections._tradeoff import tradeoff

if TYPE_CHECKING:
    from autotune.search import StudyResult
    from autotune.store import StudyRecord

_COLOUR = re.compile(r'"\$(\w+)"')
_PART = 2045  # characters of an attribute, as in optuna_dashboard.save_plotly_graph_object


def plot_attributes(record: StudyRecord, result: StudyResult) -> dict[str, Any]:
    """The report's plots of trials, as `save_plotly_graph_object` would store them."""
    source = brief_source(record, result)
    sections = (section for section in (tradeoff(source), prediction(source), front(source)) if section is not None)
    figures = (block for section in sections for block in section.blocks if isinstance(block, Figure) and block.drawn)
    return {
        f"dashboard:plot_data:{figure.name}:{part}": text[part * _PART : (part + 1) * _PART]
        for figure in figures
        for text in (_plotly(figure),)
        for part in range(-(-len(text) // _PART))
    }


def _plotly(figure: Figure) -> str:
    """The figure as Plotly's JSON, with the colours of a light ground and its title."""
    plot = plotly_figure(figure)
    plot["layout"]["title"] = {"text": figure.title}
    return _COLOUR.sub(lambda found: json.dumps(PALETTE[found[1]][0]), json.dumps(plot))
