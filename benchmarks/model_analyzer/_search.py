"""What a search came to, whoever searched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Search:
    """One search of one model.

    Attributes:
        name: Who searched.
        finished: Whether it ended by itself, with success.
        search_s: Seconds until its last measurement of a candidate.
        seconds: Seconds of the whole run, finals or reports included.
        configs: Different configs that were measured.
        points: Measurements: a config under one load each; None where that is not known.
        config: The chosen config.pbtxt; None where nothing kept the ceiling.
        reported_per_s: Inferences/s that it says this config carries under the ceiling.
        parameters: What was chosen, in words.
        message: What went wrong, or what is to be known about it.
        recorded: Whether this was taken from an earlier record.
    """

    name: str
    finished: bool
    search_s: float
    seconds: float
    configs: int = 0
    points: int | None = None
    config: str | None = None
    reported_per_s: float | None = None
    parameters: str = ""
    message: str = ""
    recorded: bool = False
