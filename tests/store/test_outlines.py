"""The list of studies reads a line for each study, and makes it anew if the study has changed."""

from __future__ import annotations

from pathlib import Path

from documented_studies import infeasible_study, outcome, tuned_study

from autotune.search import outline_of, stored_outlines, stored_results
from autotune.store import Store, StudyOutline


def made_names(store: Store) -> tuple[list[str], list[StudyOutline]]:
    """The studies whose lines had to be made, and all lines."""
    made: list[str] = []

    def make(name: str) -> StudyOutline:
        made.append(name)
        found = [each for each in stored_results(store, store.directory or Path()) if each.study == name]
        return outline_of(found[0])

    return made, store.outlines(make)


def test_the_lines_say_what_the_studies_say(store: Store) -> None:
    tuned_study(store, name="tuned")
    infeasible_study(store)
    whole = [outline_of(each) for each in stored_results(store, store.directory or Path())]
    for _ in range(2):  # made, then read
        assert stored_outlines(store, store.directory or Path()) == whole
    assert [each.study for each in whole] == ["none", "tuned"]
    assert (whole[0].best, whole[0].gain) == (None, None)
    assert whole[1].gain is not None


def test_a_line_is_made_once_and_again_after_each_change(store: Store) -> None:
    study = tuned_study(store, name="tuned")
    infeasible_study(store)
    assert made_names(store)[0] == ["none", "tuned"]
    assert made_names(store)[0] == []
    store.save_trial(study, 10, "proposed", outcome(900.0))
    made, lines = made_names(store)
    assert (made, lines[1].trials) == (["tuned"], 11)
    store.save_trial(study, 10, "proposed", outcome(950.0))  # replaced: as many rows as before
    assert made_names(store)[0] == ["tuned"]
