"""How long an execution takes, by batch size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_SPREAD_SAMPLES = 200


@dataclass(frozen=True, eq=False)
class ServiceTimes:
    """How long an execution takes.

    An execution spends its host part side by side with other instances and its device part on the one resource that
    all instances share, first come, first served; the instance is busy through both. So n instances complete at most
    b / device_s, and at most n * b / (host_s + device_s). Where they get into each other's way, as threads that spin
    do, an execution's device part takes longer for each other instance at work when it begins.

    Inputs are gathered on the host before the device part, outputs handed out after it. How much of the host part comes
    after decides who is first at the device: all before it, small batches overtake large ones, which evens them out.

    Besides, requests and executions take CPU time of one machine, on which server and client may run. Where requests
    come so often that it is used up, they wait for it before they reach the batcher.

    Attributes:
        host_s: Seconds that an execution of b = 1..B items spends on its own, shape (B,).
        device_s: Seconds it then holds the shared resource, shape (B,).
        overhead_s: Latency of a request outside queue and execution (client, network, frontend): sorted samples.
        spread: Samples of the factor by which an execution's time varies, with mean 1; ``(1.0,)`` where it does not.
        request_cpu_s: CPU seconds that a request takes, whatever its batch, by the number of cores; 0 where CPU time
            does not matter.
        execution_cpu_s: The same for an execution.
        client_s: Think time of a closed loop's clients in seconds, from each answer to the next request; the same every
            time, and not part of the latency.
        contention: By what fraction the device part takes longer for each other instance that is at work.
        handed_out: Which part of the host time that a batch takes beyond one item's follows the device part.
    """

    host_s: NDArray[np.float64]
    device_s: NDArray[np.float64]
    overhead_s: NDArray[np.float64]
    spread: NDArray[np.float64]
    request_cpu_s: float = 0.0
    execution_cpu_s: float = 0.0
    client_s: float = 0.0
    contention: float = 0.0
    handed_out: float = 0.0

    def __post_init__(self) -> None:
        for name in ("host_s", "device_s", "overhead_s", "spread"):
            values = np.array(getattr(self, name), np.float64).reshape(-1)
            if not len(values) or not np.isfinite(values).all() or (values < 0).any():
                raise ValueError(f"{name}: expected at least one finite number, none below 0: {values}")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if len(self.host_s) != len(self.device_s):
            raise ValueError(f"{len(self.host_s)} host times and {len(self.device_s)} device times; one each per size")
        if not (self.host_s + self.device_s > 0).all():
            raise ValueError("an execution of some size takes no time at all")
        for name in ("request_cpu_s", "execution_cpu_s", "client_s", "contention"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected a finite number from 0 on, found {getattr(self, name)}")
        if not 0 <= self.handed_out <= 1:
            raise ValueError(f"handed_out: expected a fraction from 0 to 1, found {self.handed_out}")

    @property
    def largest_batch(self) -> int:
        """The largest batch size that is known."""
        return len(self.host_s)

    @property
    def after_s(self) -> NDArray[np.float64]:
        """How much of the host part follows the device part, shape (B,)."""
        return np.asarray(self.handed_out * np.maximum(0.0, self.host_s - self.host_s[0]))

    def varying(self, by: float) -> ServiceTimes:
        """The same with executions whose times vary, lognormally, by the standard deviation ``by`` of the logarithm."""
        levels = (np.arange(_SPREAD_SAMPLES) + 0.5) / _SPREAD_SAMPLES
        factors = np.exp(by * ndtri(levels))
        return replace(self, spread=factors / factors.mean())

    def up_to(self, size: int) -> ServiceTimes:
        """The same, for batches of 1 to ``size`` items.

        Beyond the largest known size B each part goes on in a straight line, with its mean slope between B // 2 and
        B (single steps would follow the knees that padding to a tile size makes), never downwards. Where only
        B = 1 is known, a batch costs as much as its items one by one.
        """
        return self if size == self.largest_batch else _up_to(self, size)


@lru_cache(maxsize=64)  # every config of a space asks for the same ones
def _up_to(service: ServiceTimes, size: int) -> ServiceTimes:
    if size <= service.largest_batch:
        return replace(service, host_s=service.host_s[:size], device_s=service.device_s[:size])
    return replace(service, host_s=_extended(service.host_s, size), device_s=_extended(service.device_s, size))


def _extended(times_s: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    known = len(times_s)
    half = max(known // 2, 1)
    slope_s = max(0.0, (times_s[-1] - times_s[half - 1]) / (known - half)) if known > 1 else times_s[0]
    more = np.arange(1, size - known + 1)
    return np.concatenate([times_s, times_s[-1] + slope_s * more])
