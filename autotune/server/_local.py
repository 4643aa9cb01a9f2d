"""The ``local`` launch mode: a ``tritonserver`` installed on this machine, such as in the NGC container."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autotune.environment import gpu_state, may_have_gpu
from autotune.errors import UsageError
from autotune.repository import ModelSpec
from autotune.server._belongings import remove_orphans
from autotune.server._options import LaunchOptions
from autotune.server._ports import check_ports
from autotune.server._safe_path import check_names
from autotune.server._triton_process import Binary, launch_process
from autotune.server._types import RunningServer

_HELP_TIMEOUT_S = 10


@dataclass(frozen=True)
class LocalLauncher:
    """Launches ``--triton-path`` or the PATH's ``tritonserver``; see `Launcher`."""

    options: LaunchOptions = field(default_factory=LaunchOptions)
    name: str = field(default="local", init=False)
    reads_only: bool = field(default=False, init=False)

    def check(self) -> None:
        """Raises `UsageError` with the remedy if this mode cannot work here."""
        binary = self.binary()
        if not is_tritonserver(binary, binary.stat().st_mtime_ns):
            flag = "--launch local" if self.options.triton_path is None else "--triton-path"
            raise UsageError(f"{flag}: {binary} is not a tritonserver; give the path of one with --triton-path")
        check_ports(self.options.http_port, self.options.grpc_port)

    def binary(self) -> Path:
        """The server to start; raises `UsageError` if there is none."""
        given = self.options.triton_path
        if given is not None:
            if not given.is_file():
                raise UsageError(f"--triton-path: {given} is not a file; give the path of a tritonserver binary")
            if not os.access(given, os.X_OK):
                raise UsageError(f"--triton-path: {given} is not executable; run `chmod +x {given}`")
            return given.absolute()
        found = shutil.which("tritonserver")
        if found is None:
            raise UsageError(
                "--launch local: no tritonserver on the PATH; give it with --triton-path, or use --launch embedded"
            )
        return Path(found)

    @contextmanager
    def launch(
        self, repository: Path, model: str, log_path: Path, called: Sequence[str] = ()
    ) -> Iterator[RunningServer]:
        """See `Launcher.launch`."""
        remove_orphans()
        binary = Binary([str(self.binary())], os.environ)
        with launch_process(binary, self.options, repository, (model, *called), log_path) as server:
            yield server

    def check_model(self, spec: ModelSpec) -> None:
        """See `Launcher.check_model`: the versions of that server's backends cannot be seen from here."""
        check_names(spec)

    def has_gpu(self) -> bool:
        """See `Launcher.has_gpu`."""
        return gpu_state() is not None

    def finds_gpu(self) -> bool:
        """See `Launcher.finds_gpu`."""
        return may_have_gpu()

    def describe(self) -> dict[str, str]:
        """See `Launcher.describe`."""
        binary = self.binary()
        described = {
            "mode": self.name,
            "triton": triton_version(binary),
            "binary": str(binary),
            "arguments": " ".join(self.options.triton_args),
        }
        return {key: value for key, value in described.items() if value}


@functools.cache
def is_tritonserver(binary: Path, modified_ns: int) -> bool:
    """Whether ``binary`` prints Triton's help. Cached by modification time; runs no server."""
    with tempfile.TemporaryFile() as output:  # with a pipe, this would wait for any child that keeps it open
        try:
            subprocess.run(
                [binary, "--help"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_HELP_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        output.seek(0)
        return b"--model-repository" in output.read()


def triton_version(binary: Path) -> str:
    """Triton's version from a file beside the binary or from the environment, else ``unknown``."""
    for directory in (binary.parent, binary.resolve().parent.parent):
        try:
            return (directory / "TRITON_VERSION").read_text().strip()
        except OSError:
            continue
    return os.environ.get("TRITON_SERVER_VERSION", "unknown")
