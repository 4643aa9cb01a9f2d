"""The machine and the software a measurement was made on, and what differs between two of them."""

from autotune.environment._capture import capture
from autotune.environment._fingerprint import Environment, Gpu, differences

__all__ = ["Environment", "Gpu", "capture", "differences"]
