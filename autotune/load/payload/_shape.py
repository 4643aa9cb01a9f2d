"""Shapes as ``--shape`` gives them: sizes, or distributions that sizes are drawn from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autotune.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BETWEEN_SIZES = re.compile(r",(?![^(]*\))")  # not the comma of uniform(LOW,HIGH)
_UNIFORM = re.compile(r"uniform\((\d+),(\d+)\)")


@dataclass(frozen=True)
class Uniform:
    """A size that is any whole number from ``low`` to ``high``, each as likely."""

    low: int
    high: int

    def sizes(self, levels: NDArray[np.float64]) -> list[int]:
        """The sizes at these levels of the distribution, each from 0 to below 1, shape (n,)."""
        return [int(size) for size in self.low + np.floor(levels * (self.high - self.low + 1))]

    def __str__(self) -> str:
        return f"uniform({self.low},{self.high})"


Shape = Sequence[int | Uniform]
"""A shape without the batch dimension."""


def parse_shape(text: str, flag: str = "--shape") -> tuple[str, tuple[int | Uniform, ...]]:
    """The input's name and its shape from ``NAME:3,224,224``, as perf_analyzer writes it, or ``NAME:uniform(1,512)``.

    Raises:
        UsageError: Not of that form, or a dimension below 0. (A tensor may have no elements: Triton takes such.)
    """
    name, colon, sizes = text.rpartition(":")
    try:
        shape = tuple(_size(each.replace(" ", "")) for each in _BETWEEN_SIZES.split(sizes))
    except ValueError:
        shape = ()
    if not (name and colon and shape):
        raise UsageError(
            f"{flag}: {text!r} is not an input's shape; write NAME:D1,D2,..., such as image:3,224,224; a size may be"
            " uniform(LOW,HIGH)"
        )
    return name, shape


def varies(shapes: Mapping[str, Shape]) -> bool:
    """Whether any size is drawn."""
    return any(isinstance(size, Uniform) for shape in shapes.values() for size in shape)


def drawn_shapes(shapes: Mapping[str, Shape], requests: int, seed: int) -> list[dict[str, tuple[int, ...]]]:
    """The shapes of so many requests, by input.

    Sizes of one dimension are evenly spread over its distribution, in random order (Latin hypercube sampling: McKay,
    Beckman and Conover, Technometrics 21, 1979): few requests then stand for all of them.
    """
    random = np.random.default_rng(seed)

    def column(size: int | Uniform) -> list[int]:
        if isinstance(size, Uniform):
            return size.sizes((random.permutation(requests) + 0.5) / requests)
        return [size] * requests

    columns = {name: [column(size) for size in shape] for name, shape in shapes.items()}
    return [
        {name: tuple(sizes[index] for sizes in shape) for name, shape in columns.items()} for index in range(requests)
    ]


def _size(text: str) -> int | Uniform:
    """Raises `ValueError` if it is none."""
    drawn = _UNIFORM.fullmatch(text)
    if drawn is None:
        if not text.isdecimal():
            raise ValueError(text)
        return int(text)
    low, high = map(int, drawn.groups())
    if low > high:
        raise ValueError(text)
    return Uniform(low, high)
