"""Measures configs in turns, so that all meet the same states of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from autotune.search.comparison._types import Contender, Sample

Measure = Callable[[str, int], Sample]
"""Measures the config of that name in that round, from 1, on a fresh server."""


def measure_in_turns(
    configs: Mapping[str, Mapping[str, str]], rounds: int, measure: Measure
) -> Iterator[tuple[Contender, ...]]:
    """The contenders after each sample, so that an interruption keeps what was measured.

    A round begins with another config than the one before it. A measurement that says nothing about the config, as the
    machine was disturbed, is repeated once. A config that is out is not measured again.

    Args:
        configs: The text of each model's config, by the contender's name.
        rounds: How often each is measured.
        measure: Measures one; whatever it raises ends the comparison.
    """
    contenders = {name: Contender(name, texts) for name, texts in configs.items()}
    for number in range(1, rounds + 1):
        for name in turns(list(configs), number):
            contender = contenders[name]
            if contender.out is None:
                sample = measure(name, number)
                if sample.value is None and sample.out is None:
                    sample = measure(name, number)
                contenders[name] = replace(contender, samples={**contender.samples, number: sample})
                yield tuple(contenders.values())


def turns(names: Sequence[str], number: int) -> list[str]:
    """The names in the order of a round, from 1: each round begins with another one."""
    first = (number - 1) % len(names)
    return [*names[first:], *names[:first]]
