"""Commands that must be refused: run in this process, bounded in time and memory, and watched for what they write."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import resource
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autotune.api import _compare, _experiment, _measure, _run
from autotune.cli import main
from autotune.request import Option, options_of

WITHIN_S = 5
MEMORY_BYTES = 1 << 30
LONGEST_LINE = 1500
MODULES = {
    "run": "_run",
    "measure": "_measure",
    "compare": "_compare",
    "check": "_check",
    "export": "_export",
    "report": "_report",
    "studies list": "_list",
    "studies show": "_show",
    "studies diff": "_diff",
    "studies export": "_studies_export",
    "dashboard": "_dashboard",
    "clean": "_clean",
    "doctor": "_doctor",
}
CONFIG = """name: "net"
backend: "python"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 3 ] }
"""


class NotRefused(BaseException):
    """A command went on to work."""


def command_options(command: str) -> dict[str, Option]:
    """The options of a command by field name."""
    return options_of(importlib.import_module(f"autotune.cli.{MODULES[command]}").REQUEST)


@dataclass(frozen=True)
class Place:
    """A directory with a model repository and with places that are bad as files or directories."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Place:
        version = root / "models" / "net" / "1"
        version.mkdir(parents=True)
        (version / "model.py").write_text("")
        (root / "models" / "net" / "config.pbtxt").write_text(CONFIG)
        (root / "other.pbtxt").write_text(CONFIG + "dynamic_batching { }\n")
        os.mkfifo(root / "pipe")
        (root / "loop").symlink_to(root / "loop")
        (root / "dir").mkdir()
        (root / "binary").write_bytes(bytes(range(256)) * 4)
        with (root / "huge").open("wb") as file:
            file.truncate(5 << 30)  # without a block on the disk
        return cls(root)

    def command(self, command: str, *words: str) -> list[str]:
        """The words of a command that would be accepted without ``words``, its results below the root."""
        where = ["--model-repository", str(self.root / "models"), "--launch", "embedded"]
        needed = {
            "run": ["--p99", "5ms", *where],
            "measure": where,
            "compare": ["--p99", "5ms", *where],
            "check": ["--p99", "5ms", *where, "--record", str(self.root / "record.json")],
        }.get(command, [])
        needed += ["--results", str(self.root / "results")] if "results" in command_options(command) else []
        flags = {each.partition("=")[0] for each in words}
        pairs = [pair for pair in zip(needed[::2], needed[1::2], strict=True) if pair[0] not in flags]
        return [*command.split(), *(word for pair in pairs for word in pair), *words]

    def files(self) -> list[tuple[str, int, int]]:
        """What there is, with sizes and times of the last change."""
        found = ((str(path), path.lstat()) for path in sorted(self.root.rglob("*")))
        return [(path, stat.st_size, stat.st_mtime_ns) for path, stat in found]


def refused(place: Place, words: list[str], monkeypatch: pytest.MonkeyPatch, *, names: str, code: int = 2) -> str:
    """The one line of a command that is refused; fails if it is not refused properly.

    Args:
        place: Where it may write nothing.
        words: The command.
        monkeypatch: Keeps it from starting anything.
        names: What the line must begin with or hold: the flag or the file.
        code: The exit code.
    """
    for module in (_compare, _experiment, _measure, _run):
        monkeypatch.setattr(module, "create_directory", _go_on)  # what follows the checks
    before = place.files()
    out, err = io.StringIO(), io.StringIO()
    started = time.process_time()  # other processes may keep the machine busy
    with bounded(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        found = main(words)
    seconds = time.process_time() - started
    line = err.getvalue()
    assert (found, line.count("\n"), out.getvalue()) == (code, 1, ""), (found, line, out.getvalue())
    assert line.startswith("autotune: ")
    assert names in line, line
    assert len(line) < LONGEST_LINE
    assert "secret" not in line
    assert place.files() == before
    assert seconds < WITHIN_S
    return line


def _go_on(*anything: object) -> None:
    raise NotRefused


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Ends what hangs or takes more memory than it may."""

    def too_long(*anything: object) -> None:
        raise TimeoutError

    _, most = limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    previous = signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES, most))
    signal.alarm(6 * WITHIN_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, limits)
