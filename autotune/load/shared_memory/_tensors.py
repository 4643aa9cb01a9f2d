"""Tensors in system shared memory (Triton's extension) rather than on the wire, inputs and outputs.

The region's name is taken out of ``/dev/shm`` as soon as the server has mapped it. From then on the memory lasts
as long as one of the two processes, and a kill of either leaves nothing behind. The name contains the process id,
so what a kill before that leaves is removed when the next server is started.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.load.payload import tensor_bytes
from autotune.load.shared_memory._layout import Layout, bytes_per_slot
from autotune.load.shared_memory._output_sizes import largest_outputs
from autotune.server import ControlClient, ControlError, Unreachable
from autotune.server._belongings import SHARED_MEMORY, new_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from autotune.load.payload import Payload
    from autotune.load.shared_memory._layout import Placement
    from autotune.server import Endpoint

_MOST_SLOTS = 64
_MOST_OUTPUT_BYTES = 256 << 20
_IN_USE_S = 5.0
_ASK_AGAIN_S = 0.05


class SharedTensors:
    """The tensors of payloads in one region of shared memory, registered with a server until closed.

    Outputs go there too: those of 64 requests in flight, 256 MiB at most, have a place each.

    Args:
        endpoint: The server. It is sent each payload once over the wire, to learn how large the outputs are.
        payloads: What the requests are to hold.
        directory: What the server has as ``/dev/shm``.

    Attributes:
        name: The region's name with the server.

    Raises:
        UsageError: The server cannot reach this machine's shared memory, there is too little of it, or the model
            is decoupled.
        ControlError: The server refuses an inference, or does not answer (`Unreachable`).
    """

    def __init__(self, endpoint: Endpoint, payloads: Sequence[Payload], directory: Path = SHARED_MEMORY) -> None:
        self._control = _RegionControl(endpoint.host, endpoint.http_port)
        self._control.refuse_decoupled(payloads[0].model)
        output_bytes = largest_outputs(endpoint, payloads)
        self.name = f"{new_prefix()}tensors-{secrets.token_hex(4)}"
        self._layout = Layout.of(self.name, payloads, output_bytes, _slots(output_bytes, directory))
        path = directory / self.name
        try:
            self._memory = _allocate(path, self._layout.byte_size)
            try:
                self._write_inputs()
                self._control.register(self.name, self._layout.byte_size)
            except BaseException:
                self.close()
                raise
        finally:
            path.unlink(missing_ok=True)

    def requests(self, build: Callable[[Payload, Placement], bytes]) -> tuple[bytes, ...]:
        """The requests to send in turn, built with the places of their tensors; see `Layout.requests`."""
        return self._layout.requests(build)

    def output(self, name: str, slot: int = 0) -> bytes:
        """What lies in a slot's place for output ``name``, which may be longer than the output."""
        extent = self._layout.slots[slot][name]
        return self._memory[extent.offset : extent.offset + extent.byte_size]

    def close(self) -> None:
        """Takes the region from the server and frees it; safe to call twice. Close what sends the requests first."""
        if self._memory.closed:
            return
        with contextlib.suppress(ControlError):  # a server that is gone has let go of it
            self._control.unregister(self.name)
        self._memory.close()

    def __enter__(self) -> SharedTensors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write_inputs(self) -> None:
        for payload, extents in zip(self._layout.payloads, self._layout.inputs, strict=True):
            for tensor, extent in zip(payload.inputs, extents, strict=True):
                self._memory[extent.offset : extent.offset + extent.byte_size] = tensor_bytes(tensor)


@dataclass(frozen=True)
class _RegionControl(ControlClient):
    """Registers regions of system shared memory with a server."""

    def register(self, region: str, byte_size: int) -> None:
        """Makes the server map the file ``region`` of ``/dev/shm``, under that name.

        Raises:
            UsageError: It cannot.
            Unreachable: Nothing answers.
        """
        body = {"key": f"/{region}", "offset": 0, "byte_size": byte_size}
        try:
            self._json("POST", f"/v2/systemsharedmemory/region/{region}/register", body)
        except Unreachable:
            raise
        except ControlError as error:
            raise UsageError(
                f"--shared-memory: the server at {self.host}:{self.port} cannot reach this machine's shared memory: "
                f"{error}; it must run on this machine and see its /dev/shm (a container: --ipc host), "
                "or use --shared-memory none"
            ) from None

    def unregister(self, region: str) -> None:
        """Makes the server let go of ``region``; one that it does not have is fine.

        Triton keeps a region that a request still uses: 2.51 refuses to let go of it, later ones do so afterwards. A
        server that is busy with abandoned requests is asked for at most 5 s.

        Raises:
            Unreachable: Nothing answers.
        """
        deadline = time.monotonic() + _IN_USE_S
        while True:
            try:
                self._json("POST", f"/v2/systemsharedmemory/region/{region}/unregister", {})
            except Unreachable:
                raise
            except ControlError:
                pass  # in use
            if not self._knows(region) or time.monotonic() > deadline:
                return
            time.sleep(_ASK_AGAIN_S)

    def _knows(self, region: str) -> bool:
        return any(each["name"] == region for each in self._json("GET", "/v2/systemsharedmemory/status"))

    def refuse_decoupled(self, model: str) -> None:
        """Raises `UsageError` where one request has several responses: how large those are cannot be asked."""
        policy = self.model_config(model).get("model_transaction_policy")
        if isinstance(policy, Mapping) and policy.get("decoupled"):
            raise UsageError(
                f"--shared-memory: model {model!r} is decoupled, so the sizes of its outputs are not known before; "
                "use --shared-memory none"
            )


def _slots(output_bytes: Mapping[str, int], directory: Path) -> int:
    """As many slots as may be and fit; half of what is free is left to the server and to others."""
    room = min(_MOST_OUTPUT_BYTES, _free_bytes(directory) // 2)
    return max(1, min(_MOST_SLOTS, room // max(1, bytes_per_slot(output_bytes))))


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _allocate(path: Path, byte_size: int) -> mmap.mmap:
    """New shared memory under that name, of this process's user alone.

    Raises:
        UsageError: There is not enough. (Where a file is merely long, writing to it would end the process.)
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, byte_size)
            return mmap.mmap(fd, byte_size)
        finally:
            os.close(fd)
    except OSError as error:
        raise UsageError(
            f"--shared-memory: the tensors need {byte_size / 1e6:,.0f} MB of {path.parent}, where "
            f"{_free_bytes(path.parent) / 1e6:,.0f} MB are free: {error.strerror}; send fewer or smaller payloads, "
            "or use --shared-memory none"
        ) from None
