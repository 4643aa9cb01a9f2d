"""A Triton Python model with the timing of a small accelerator.

A batch of b items takes ``host_ms``, which instances spend in parallel, and then ``device_fixed_ms + b *
device_per_item_ms`` on a device that serves one batch at a time, first come, first served, for all instances. With
``device_curve_ms``, such as ``1:2.1, 16:3.6, 17:7, 64:14``, the device takes those milliseconds for batches of those
sizes instead, and goes straight between them. The answer is twice the input. The model sleeps and computes nothing, so
the throughput of a config follows from the timings on any machine.
"""

import ctypes
import fcntl
import json
import math
import os
import struct
import tempfile
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

DEFAULTS_MS = {"host_ms": 0.5, "device_fixed_ms": 2.0, "device_per_item_ms": 0.1}
FILE_PREFIX = "triton-accelerator"
PR_SET_TIMERSLACK = 29
WAKE_UP_NS = 50_000


def process_start(pid):
    """The start of process ``pid`` in clock ticks since boot. Together with the pid it identifies one process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat[stat.rindex(")") + 2 :].split()[19]


class Device:
    """The device that all instances of a model on one server share; models whose ``device`` is the same share it too.

    Each instance is a process, so the device is a file. It stores the time at which all booked work ends, in
    nanoseconds of CLOCK_MONOTONIC, which all processes share. An instance adds its own work to that time under a file
    lock and sleeps until its work is done. The lock is held for microseconds only. If it were held during the sleep,
    every batch would take longer by the time of a wake-up.

    The server's process id is part of the file's name, so each server has its own device.
    """

    def __init__(self, name):
        self._fd = os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @classmethod
    def _path(cls, name):
        folder = Path("/dev/shm")  # noqa: S108
        if not os.access(folder, os.W_OK):
            folder = Path(tempfile.gettempdir())
        server = os.getppid()
        # process ids are unique only inside one PID namespace
        scope = f"{FILE_PREFIX}.{os.getuid()}.{os.stat('/proc/self/ns/pid').st_ino}"
        cls._remove_leftovers(folder, scope)
        return folder / f"{scope}.{server}.{process_start(server)}.{name}"

    @staticmethod
    def _remove_leftovers(folder, scope):
        """Removes the files of ended servers. A server does not know which unload is its last."""
        for path in folder.glob(f"{scope}.*"):
            pid, started = path.name[len(scope) + 1 :].split(".")[:2]
            try:
                alive = process_start(pid) == started
            except OSError:
                alive = False
            if not alive:
                path.unlink(missing_ok=True)

    def run(self, ready_ns, duration_ns):
        """Books work of ``duration_ns`` from ``ready_ns`` on; returns the time at which it ends."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            held = os.pread(self._fd, 8, 0)
            free_ns = struct.unpack("q", held)[0] if held else 0
            end_ns = max(ready_ns, free_ns) + duration_ns
            os.pwrite(self._fd, struct.pack("q", end_ns), 0)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return end_ns

    def close(self):
        os.close(self._fd)


def sleep_until(deadline_ns):
    """Sleeps until a time of CLOCK_MONOTONIC. Spins at the end, for about the time that a wake-up takes."""
    while (left_ns := deadline_ns - time.monotonic_ns()) > WAKE_UP_NS:
        time.sleep((left_ns - WAKE_UP_NS) / 1e9)
    while time.monotonic_ns() < deadline_ns:
        pass


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self._batches = config["max_batch_size"] > 0
        times_ns = {name: self._parameter_ns(config, name) for name in DEFAULTS_MS}
        self._host_ns = times_ns["host_ms"]
        self._fixed_ns = times_ns["device_fixed_ms"]
        self._per_item_ns = times_ns["device_per_item_ms"]
        self._sizes, self._curve_ns = self._curve(config)
        device = config.get("parameters", {}).get("device", {}).get("string_value")
        self._shared = bool(device)
        self._device = Device(device or config["name"])
        # Linux lengthens a sleep by 50 microseconds by default
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)

    @staticmethod
    def _parameter_ns(config, name):
        text = config.get("parameters", {}).get(name, {}).get("string_value", str(DEFAULTS_MS[name]))
        try:
            value_ms = float(text)
        except ValueError:
            value_ms = math.nan
        if not 0 <= value_ms < math.inf:
            raise pb_utils.TritonModelException(f"parameter {name} is '{text}', expected milliseconds, 0 or more")
        return round(value_ms * 1e6)

    @staticmethod
    def _curve(config):
        """The sizes, ascending, and what the device takes for each in nanoseconds; both empty without a curve."""
        text = config.get("parameters", {}).get("device_curve_ms", {}).get("string_value", "")
        try:
            points = dict(map(float, point.split(":")) for point in text.split(",") if text)
        except ValueError:
            points = {-1.0: -1.0}
        if not all(size >= 1 and 0 <= value_ms < math.inf for size, value_ms in points.items()):
            raise pb_utils.TritonModelException(
                f"parameter device_curve_ms is '{text}', expected SIZE:MILLISECONDS, such as 1:2.1, 64:8.4"
            )
        sizes = sorted(points)
        return sizes, [points[size] * 1e6 for size in sizes]

    def _device_ns(self, items):
        if self._sizes:
            return round(float(np.interp(items, self._sizes, self._curve_ns)))
        return self._fixed_ns + items * self._per_item_ns

    def execute(self, requests):
        begun_ns = time.monotonic_ns()
        items = 0
        responses = []
        for request in requests:
            values = pb_utils.get_input_tensor_by_name(request, "input").as_numpy()
            items += len(values) if self._batches else 1
            output = pb_utils.Tensor("output", values * np.float32(2))
            responses.append(pb_utils.InferenceResponse([output]))
        ready_ns = begun_ns + self._host_ns
        if self._shared:  # models with other host parts come first to the device though they began later
            sleep_until(ready_ns)
        # Else books the device now, from the end of the host part on. Every batch has the same host part, so the order
        # is the same, and one sleep is more precise than two.
        sleep_until(self._device.run(ready_ns, self._device_ns(items)))
        return responses

    def finalize(self):
        self._device.close()
