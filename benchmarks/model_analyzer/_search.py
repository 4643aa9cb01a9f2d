"""What a search came to, whoever searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Search:
    """One search of one model.

    Attributes:
        name: Who searched.
        finished: Whether it ended by itself, with success.
        search_s: Seconds until its last measurement of a candidate.
        seconds: Seconds of the whole run, finals or reports included.
        tried: Different configs that were measured.
        points: Measurements: a config under one load each; None where that is not known.
        configs: The chosen config.pbtxt of each model that has one; empty if nothing kept the ceiling.
        reported_per_s: Inferences/s that it says this config sustains under the ceiling.
        parameters: What was chosen, in words.
        message: What went wrong, or what is to be known about it.
        recorded: Whether this was taken from an earlier record.
    """

    name: str
    finished: bool
    search_s: float
    seconds: float
    tried: int = 0
    points: int | None = None
    configs: Mapping[str, str] = field(default_factory=dict)
    reported_per_s: float | None = None
    parameters: str = ""
    message: str = ""
    recorded: bool = False
