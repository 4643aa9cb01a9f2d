"""What a model repository says about one model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from autotune.repository._config import ModelConfig

BatchDimension = Literal["dynamic", "fixed", "unknown"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor.

    Attributes:
        name: The tensor's name.
        datatype: Triton's name of the element type: ``FP32``, ``INT64``, ``BYTES``, ...
        shape: The shape as the model file has it, batch dimension included where there is one; -1 for a
            dynamic dimension.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OnnxVersions:
    """The versions that an ONNX file was written with.

    Attributes:
        ir_version: Of the file format; 0 if the file does not say.
        opset: Of ONNX's own operators; 0 if the file does not say.
    """

    ir_version: int
    opset: int


@dataclass(frozen=True)
class ModelSpec:
    """One model of a repository, as found on disk; nothing is started to learn it.

    Attributes:
        name: The model's (and its directory's) name.
        path: The model's directory.
        config: The person's ``config.pbtxt``; an empty config with only the name where there is none.
        has_config: Whether a ``config.pbtxt`` was there.
        inputs: Input tensors, from the model file where it can be read, else from the config; may be empty.
        outputs: Output tensors, likewise.
        batch_dimension: Whether the first dimension can vary. ``"fixed"``: Triton cannot batch this model, or its
            config says not to.
        versions: The version directories, ascending.
        onnx: The versions of the ONNX file that is served; None for other models.
    """

    name: str
    path: Path
    config: ModelConfig
    has_config: bool
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    batch_dimension: BatchDimension = "unknown"
    versions: tuple[int, ...] = field(default=())
    onnx: OnnxVersions | None = None
