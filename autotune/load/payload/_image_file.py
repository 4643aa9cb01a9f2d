"""Entries from image files, read as Triton's own image_client example reads them.

A model that takes pixels gets them in its own layout (channels first or last), resized to its height and width
(bilinear), as numbers from 0 to 255 of its datatype: nothing is scaled. A model that decodes images itself (a BYTES
element, or a UINT8 vector of dynamic length) gets the file's bytes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autotune.load.payload._array_file import only_input
from autotune.load.payload._entry import Entry, Recorded
from autotune.load.payload._raw import bytes_elements
from autotune.load.payload._show import written
from autotune.load.payload._tensor_bytes import NUMPY_TYPES, to_bfloat16
from autotune.load.payload._types import MOST_DATA_BYTES
from autotune.reading import read_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from autotune.load.payload._model_inputs import ModelInput

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Extensions of the files."""
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_NO_PIXELS = ("BYTES", "BOOL", "INT8")


def read_image(path: Path, inputs: Sequence[ModelInput]) -> Recorded:
    """The file's entry.

    Raises:
        OSError: The file cannot be read.
        ValueError: The model takes several inputs.
    """
    return Recorded(((Entry(str(path), {only_input(path, inputs).name: Image(read_bytes(path, MOST_DATA_BYTES))}),),))


class _Layout(NamedTuple):
    """The pixels that a model takes.

    Attributes:
        mode: Pillow's name of the colours: ``L``, ``RGB`` or ``RGBA``.
        height: In pixels; -1 for the image's own.
        width: Likewise.
        channels: The axis of the channels, 0 or 2; None for a model without one.
    """

    mode: str
    height: int
    width: int
    channels: int | None


@dataclass(frozen=True)
class Image:
    """An encoded image; decoded for the input at hand, as layouts differ between configs."""

    encoded: bytes

    def item(self, spec: ModelInput) -> NDArray[np.generic]:
        """See `GivenTensor`."""
        dims = spec.item_shape() if spec.given is not None else spec.item
        if spec.datatype == "BYTES" and all(size in (1, -1) for size in dims):
            return bytes_elements([self.encoded]).reshape((1,) * len(dims))
        if spec.datatype == "UINT8" and len(dims) == 1 and dims[0] in (-1, len(self.encoded)):
            return np.frombuffer(self.encoded, np.uint8)
        if spec.datatype in _NO_PIXELS:
            raise ValueError(f"is an image, and {spec.datatype} does not hold pixels from 0 to 255; save it as .npy")
        pixels = self._pixels(_layout(dims))
        shape = (1,) * (len(dims) - pixels.ndim) + pixels.shape
        if spec.datatype == "BF16":
            return to_bfloat16(pixels.astype(np.float32)).reshape(shape)
        return np.ascontiguousarray(pixels.astype(NUMPY_TYPES[spec.datatype])).reshape(shape)

    def _pixels(self, layout: _Layout) -> NDArray[np.uint8]:
        """Decoded, in the layout's order of axes."""
        try:
            from PIL import Image as Pillow
        except ImportError:
            raise ValueError("is an image, which needs Pillow; pip install pillow") from None
        try:
            with Pillow.open(io.BytesIO(self.encoded)) as opened:
                decoded = opened.convert(layout.mode)
        except Exception as error:  # Pillow's readers raise errors of any kind for damaged files
            raise ValueError(f"Pillow cannot read the image: {' '.join(str(error).split())[:200]}") from None
        width = layout.width if layout.width > 0 else decoded.width
        height = layout.height if layout.height > 0 else decoded.height
        if (width, height) != decoded.size:
            decoded = decoded.resize((width, height), Pillow.Resampling.BILINEAR)
        pixels = np.asarray(decoded, np.uint8)
        if layout.channels is None:
            return pixels
        pixels = pixels.reshape(height, width, -1)
        return pixels.transpose(2, 0, 1) if layout.channels == 0 else pixels


def _layout(dims: Sequence[int]) -> _Layout:
    """Height and width, with 1, 3 or 4 channels before or behind them; behind and RGB where nothing is said."""
    if len(dims) == 4 and dims[0] in (1, -1):
        dims = dims[1:]
    if len(dims) == 2:
        return _Layout("L", dims[0], dims[1], None)
    if len(dims) == 3 and dims[0] in _MODES:
        return _Layout(_MODES[dims[0]], dims[1], dims[2], 0)
    if len(dims) == 3 and dims[2] in _MODES:
        return _Layout(_MODES[dims[2]], dims[0], dims[1], 2)
    if len(dims) == 3 and dims[2] == -1:
        return _Layout("RGB", dims[0], dims[1], 2)
    raise ValueError(
        f"is an image, the model takes {written(dims)}, which is no height and width with 1, 3 or 4 channels"
    )
