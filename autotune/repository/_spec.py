"""One model as found in a repository."""

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
        shape: The shape in the model file, including a batch dimension; -1 for a dynamic dimension.
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
class Completion:
    """How a server completes configs.

    Attributes:
        on: Whether it does; not with ``--disable-auto-complete-config``.
        max_batch_size: Of a batching model whose config sets none: the server's ``default-max-batch-size``, 4 unless
            ``--backend-config`` says otherwise.
    """

    on: bool = True
    max_batch_size: int = 4


@dataclass(frozen=True)
class ModelSpec:
    """One model of a repository, as found on disk.

    Attributes:
        name: The model's (and its directory's) name.
        path: The model's directory.
        config: Its ``config.pbtxt``, or the one that the server reads in its place; a config with only the name if
            there is none.
        has_config: Whether it has a ``config.pbtxt``.
        inputs: Input tensors, from the model file if it can be read, else from the config; may be empty.
        outputs: Output tensors, likewise.
        batch_dimension: Whether the first dimension can vary. ``"fixed"``: Triton cannot batch this model, or its
            config says not to.
        versions: The version directories, ascending.
        onnx: The versions of the ONNX file that is served; None for other models.
        completion: How the server completes the config.
        config_file: Where its config is, below its directory.
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
    completion: Completion = field(default_factory=Completion)
    config_file: str = "config.pbtxt"
