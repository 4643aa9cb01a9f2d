"""Which of several trials is best."""

from dataclasses import replace

from finalists import trial
from pretended_studies import OBJECTIVE

from autotune.search._score import Incumbent, best_of


def test_the_incumbent_of_a_growing_list_is_the_best_of_it() -> None:
    rates = (1000, 0, 2000, 2500, 1500, 2500, 900, 3000)
    digests = ("a", "b", "c", "a", "", "", "c", "c")
    trials = [
        replace(each, outcome=replace(each.outcome, served_digest=digest))
        for each, digest in zip(map(trial, range(8), rates), digests, strict=True)
    ]
    for step in (1, 3, 8):
        incumbent = Incumbent(OBJECTIVE)
        for end in range(0, 9, step):
            assert incumbent.of(trials[:end]) is best_of(trials[:end], OBJECTIVE)
