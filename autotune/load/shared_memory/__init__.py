"""Tensors in system shared memory (Triton's extension) instead of on the wire."""

from autotune.load.shared_memory._generator import SharedMemoryGenerator
from autotune.load.shared_memory._layout import Extent, Layout, Placement, bytes_per_slot
from autotune.load.shared_memory._tensors import SharedTensors

__all__ = ["Extent", "Layout", "Placement", "SharedMemoryGenerator", "SharedTensors", "bytes_per_slot"]
