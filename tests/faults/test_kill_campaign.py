"""A slice of ``make faults``: runs killed in different phases, each going on with the study of the one before."""

from pathlib import Path

from kill_campaign import PHASES, Campaign


def test_kills_lose_repeat_and_leave_nothing(tmp_path: Path) -> None:
    figures = Campaign(tmp_path, seed=1, trials=1).run(kills=6, among=PHASES[:6])  # before the finals
    assert sum(figures.kills.values()) == 6
    assert figures.clean, str(figures)
