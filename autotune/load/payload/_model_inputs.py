"""The inputs of a request to a model, and the shapes they may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.load.payload._show import written
from autotune.load.payload._tensor_bytes import NUMPY_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

    Attributes:
        name: Its name.
        datatype: Triton's name of the element type.
        declared: The metadata's shape, -1 for a dynamic dimension; with batching its first one is the batch.
        batched: Whether the config batches.
        optional: Whether a request may leave it out.
        batch_size: Inferences in one request.
        given: Its shape as ``--shape`` says, if it does.
    """

    name: str
    datatype: str
    declared: tuple[int, ...]
    batched: bool
    optional: bool
    batch_size: int
    given: tuple[int, ...] | None

    @property
    def item(self) -> tuple[int, ...]:
        """The declared shape of one inference; -1 for a dynamic dimension."""
        return self.declared[1:] if self.batched else self.declared

    def item_shape(self) -> tuple[int, ...]:
        """The shape of one inference to send.

        Raises:
            UsageError: It has a dynamic dimension that ``--shape`` does not give, or gives against the model.
        """
        if self.given is None:
            if any(dimension < 0 for dimension in self.item):
                example = ",".join(str(dimension) if dimension >= 0 else "N" for dimension in self.item)
                raise UsageError(
                    f"--shape: input {self.name!r} has a dynamic dimension, its shape is {written(self.item)};"
                    f" give its size with --shape {self.name}:{example}"
                )
            return self.item
        fitted = self.fit(self.given)
        if fitted is None:
            without = " without the batch dimension" if self.batched else ""
            raise UsageError(
                f"--shape: {self.name}:{','.join(map(str, self.given))} contradicts the model, whose input"
                f" {self.name!r} has the shape {written(self.item)}{without}"
            )
        return fitted

    def fit(self, shape: Sequence[int]) -> tuple[int, ...] | None:
        """The shape of one inference, given as ``shape`` by the user; None if it contradicts the model.

        max_batch_size changes between the candidates of a search and the batch dimension comes and goes with it;
        the rank shows which form was written, so that one form fits them all.
        """
        wanted = list(shape)
        if self.batched and len(wanted) == len(self.item) + 1 and wanted[0] in (1, self.batch_size):
            del wanted[0]
        elif not self.batched and self.item and self.item[0] < 0 and len(wanted) == len(self.item) - 1:
            wanted.insert(0, 1)
        fits = len(wanted) == len(self.item) and all(
            have in (-1, want) for have, want in zip(self.item, wanted, strict=True)
        )
        return tuple(wanted) if fits and all(dimension >= 0 for dimension in wanted) else None


def model_inputs(
    model: str,
    metadata: Mapping[str, Any],
    config: Mapping[str, Any],
    batch_size: int,
    shapes: Mapping[str, Sequence[int]],
) -> tuple[ModelInput, ...]:
    """The model's inputs, from its metadata and its complete config.

    Raises:
        UsageError: A shape for an input the model does not have, a batch size that the config does not allow, or a
            datatype that cannot be sent.
    """
    max_batch_size = int(config.get("max_batch_size", 0))
    _check_batch_size(model, batch_size, max_batch_size)
    specs: Sequence[Mapping[str, Any]] = metadata.get("inputs", ())
    names = [str(spec["name"]) for spec in specs]
    for name in shapes:
        if name not in names:
            raise UsageError(f"--shape: model {model!r} has no input {name!r}; its inputs are {', '.join(names)}")
    optional = {str(spec.get("name")) for spec in config.get("input", ()) if spec.get("optional")}
    return tuple(
        ModelInput(
            name=name,
            datatype=_checked_datatype(model, name, str(spec["datatype"])),
            declared=tuple(int(dimension) for dimension in spec["shape"]),
            batched=max_batch_size > 0,
            optional=name in optional,
            batch_size=batch_size,
            given=tuple(shapes[name]) if name in shapes else None,
        )
        for name, spec in zip(names, specs, strict=True)
    )


def _checked_datatype(model: str, name: str, datatype: str) -> str:
    if datatype not in NUMPY_TYPES:
        raise UsageError(f"model {model!r}: input {name!r} has datatype {datatype!r}, which cannot be sent")
    return datatype


def _check_batch_size(model: str, batch_size: int, max_batch_size: int) -> None:
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size} is below 1; a request has at least one inference")
    if max_batch_size == 0 and batch_size > 1:
        raise UsageError(
            f"--batch-size: model {model!r} does not batch (max_batch_size is 0), so {batch_size} is too large; use 1"
        )
    if 0 < max_batch_size < batch_size:
        raise UsageError(
            f"--batch-size: {batch_size} is over the max_batch_size {max_batch_size} of model {model!r};"
            f" use {max_batch_size} or less"
        )
