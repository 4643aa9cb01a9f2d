"""An answer of a model, and the error for answers that other requests change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class WrongAnswers(AutotuneError):
    """Requests that are served together get other answers than each alone.

    Attributes:
        batch_size: The size of a batch in which it was seen, at most; 0 if no batch was formed.
    """

    def __init__(self, message: str, batch_size: int) -> None:
        super().__init__(message)
        self.batch_size = batch_size


@dataclass(frozen=True)
class Output:
    """One output tensor: Triton's name of the element type, and the elements (BF16 as float32, BYTES as ``bytes``)."""

    datatype: str
    data: NDArray[np.generic]


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        outputs: Output tensors by name; none if the request failed.
        error: Triton's error; empty if there is none.
        refused: Whether the error is a full queue or a timeout in it, which says nothing of the model.
    """

    outputs: Mapping[str, Output] = field(default_factory=dict)
    error: str = ""
    refused: bool = False
