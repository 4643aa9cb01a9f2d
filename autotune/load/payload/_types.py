"""The content of one inference request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_DATA_BYTES = 2**31 - 1
"""Most bytes of a file of input data and of all requests together; protobuf has no larger messages."""


@dataclass(frozen=True)
class Tensor:
    """One input tensor of a request: ``data`` has the full shape, request batch dimension included.

    ``datatype`` is Triton's name (``FP32``, ``BYTES``, ...); BYTES data is an object array of ``bytes``.
    """

    name: str
    datatype: str
    data: NDArray[np.generic]


@dataclass(frozen=True)
class Payload:
    """The content of one inference request.

    Attributes:
        model: The model's name.
        inputs: Its input tensors.
        batch_size: Inferences in one request (1 where the model does not batch).
    """

    model: str
    inputs: tuple[Tensor, ...]
    batch_size: int = 1

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Input name to shape."""
        return {tensor.name: tensor.data.shape for tensor in self.inputs}
