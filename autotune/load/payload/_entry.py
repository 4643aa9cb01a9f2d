"""One inference of the input data, as files give it: what every kind of file is read into."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autotune.load.payload._show import written

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from autotune.load.payload._model_inputs import ModelInput


class GivenTensor(Protocol):
    """A tensor as a file gives it."""

    def item(self, spec: ModelInput) -> NDArray[np.generic]:
        """The data of one inference, in the model's shape without the batch dimension.

        Raises:
            ValueError: It does not fit the input; the message says why in words.
        """


@dataclass(frozen=True)
class Entry:
    """The content of one inference.

    Attributes:
        where: The file and the place in it: ``requests.json: entry 3``.
        tensors: Input name to what the file gives.
    """

    where: str
    tensors: Mapping[str, GivenTensor]


@dataclass(frozen=True)
class Values:
    """A tensor's elements.

    Attributes:
        values: In row-major order, shape (n,), of the datatype's numpy type.
        shape: As the file says; None if it does not.
        source: Where they come from, for the error, unless the entry says so: ``file wave, 60 bytes``.
    """

    values: NDArray[np.generic]
    shape: tuple[int, ...] | None
    source: str = ""

    def item(self, spec: ModelInput) -> NDArray[np.generic]:
        """See `GivenTensor`."""
        count = len(self.values)
        shape = self._item_shape(spec)
        if count != math.prod(shape):
            source = f" ({self.source})" if self.source else ""
            raise ValueError(f"has {count} values{source}, which do not fill the shape {written(shape)}")
        return self.values.reshape(shape)

    def _item_shape(self, spec: ModelInput) -> tuple[int, ...]:
        """The shape in the file goes before ``--shape``; without both a single dynamic dimension follows."""
        dynamic = [index for index, dimension in enumerate(spec.item) if dimension < 0]
        if self.shape is not None:
            fitted = spec.fit(self.shape)
            if fitted is None:
                raise ValueError(f"has the shape {written(self.shape)}, the model takes {written(spec.item)}")
            return fitted
        if spec.given is not None or not dynamic:
            return spec.item_shape()
        if len(dynamic) > 1:
            raise ValueError(
                f"its shape {written(spec.item)} has several dynamic dimensions; write"
                ' {"content": [...], "shape": [...]}, or give their sizes with --shape'
            )
        if not len(self.values):
            raise ValueError(
                f"has 0 values, which do not fill the shape {written(spec.item)}; if it is meant to have none, write"
                ' {"content": [], "shape": [...]}, or give its shape with --shape'
            )
        static = math.prod(dimension for dimension in spec.item if dimension > 0)
        return tuple(len(self.values) // static if dimension < 0 else dimension for dimension in spec.item)


@dataclass(frozen=True)
class Recorded:
    """The entries of one file or directory.

    Attributes:
        streams: Entries that belong together, in order; at least one in each.
        separate: Whether the file separates streams; else there is one, which goes on in the next file.
    """

    streams: tuple[tuple[Entry, ...], ...]
    separate: bool = False
