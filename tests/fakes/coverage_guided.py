"""Fuzzing that follows branches (atheris, on libFuzzer): inputs that reach new code are kept and varied.

``python -m coverage_guided`` (with ``tests/fakes`` on ``PYTHONPATH``) runs the readers of bytes and text of
`fuzz_targets`, each in a process of its own, and ends with 1 if one of them raised what it may not. ``make fuzz`` runs
it after Hypothesis's inputs. ``--target NAME --input BASE64`` tries one input again, without atheris.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MODULES = ["autotune.load", "autotune.reading", "autotune.repository", "autotune.space", "hpack", "google.protobuf"]
"""What is instrumented: the readers, no compiled code."""
_LONGEST_BYTES = 2048
_SLOWEST_S = 10  # one input; a reader that takes longer hangs
_ABSENT = "coverage-guided fuzzing: left out, atheris is not installed; pip install -c constraints.txt -e '.[fuzz]'\n"


def _pieces(data: bytes) -> list[bytes]:
    """The rest of the data, in pieces of as many bytes as its first byte says; 0 is one piece."""
    size = (data[0] if data else 0) or len(data) or 1
    return [data[start : start + size] for start in range(1, len(data), size)]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def seeds() -> dict[str, list[bytes]]:
    """Input that its target reads to the end, from which the search starts."""
    import http2_frames as server

    headers = server.block(server.OK_HEAD)
    calls = server.greeting() + server.answer(1) + server.answer(3)
    return {
        "HTTP response": [
            b"\0HTTP/1.1 200 OK\r\nContent-Length: 5\r\nInference-Header-Content-Length: 2\r\n\r\n{}123",
            b"\7HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
            b"\1HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 500 x\r\nConnection: close\r\n\r\n" + b'{"error": "no"}',
        ],
        "HTTP/2 frames": [
            b"\0" + calls,
            b"\5" + calls + server.goaway(3),
            b"\0" + server.reset(1, 8) + server.answer(3),
        ],
        "HTTP/2 headers": [headers, server.block(server.OK_TAIL)],
        "gRPC message": [b"\x12\x06answer", b"\x0a\x02no\x12\x04\x0a\x02it"],
        "config.pbtxt": [
            b'name: "m" backend: "python" max_batch_size: 8\ninput [{ name: "x" data_type: TYPE_FP32 dims: [-1, 3] }]',
            b"dynamic_batching { max_queue_delay_microseconds: 100 }, instance_group <count: 2; kind: KIND_CPU> # c",
            b'parameters { key: "a\\n" value { string_value: \'b\' "c" } }\nversion_policy: { latest { } }',
        ],
        "search space": [
            b"parameters:\n  max_batch_size: [1, 2, 4]\n  instance_count: {low: 1, high: 4, scale: log2}\n",
            b"parameters: {instance_kind: KIND_CPU}\nfields:\n  parameters.intra_op_thread_count: [null, 1]\n",
        ],
        "duration": [b"1.5ms"],
    }


READ_AS: dict[str, Callable[[bytes], Any]] = {
    "HTTP response": _pieces,
    "HTTP/2 frames": _pieces,
    "HTTP/2 headers": bytes,
    "gRPC message": bytes,
    "config.pbtxt": _text,
    "search space": _text,
    "duration": _text,
}
"""The targets, and what each makes of the fuzzer's bytes."""


def read(name: str, data: bytes) -> bool:
    """Gives one input to a target; returns whether it was read, and raises what a reader may not raise."""
    from fuzz_targets import TARGETS

    target = TARGETS[name]
    with contextlib.suppress(*target.errors):
        target.read(READ_AS[name](data), Path("unused"))
        return True
    return False


def _fuzz(name: str, runs: int, seed: int, corpus: str) -> None:
    """Runs one target in this process and ends it, with 0 if nothing was found; nothing is cleaned up."""
    import atheris

    with atheris.instrument_imports(include=_MODULES):
        import fuzz_targets  # noqa: F401 - imports the readers

    limits = [f"-runs={runs}", f"-max_len={_LONGEST_BYTES}", f"-seed={seed}", f"-artifact_prefix={corpus}/"]
    atheris.Setup([sys.argv[0], *limits, f"-timeout={_SLOWEST_S}", corpus], lambda data: read(name, data))
    atheris.Fuzz()


def main() -> int:
    """Runs all targets, or tries one input again."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing of everything that is read from outside.")
    parser.add_argument("--runs", type=int, default=100_000, help="inputs of each target")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="another one each time by default")
    parser.add_argument("--target", choices=READ_AS, help="this one only")
    parser.add_argument("--input", help="try this one only: base64, as libFuzzer prints it")
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.input is not None:
        read(options.target, base64.b64decode(options.input))
        return 0
    if importlib.util.find_spec("atheris") is None:
        sys.stdout.write(_ABSENT)
        return 0
    if options.corpus is not None:
        _fuzz(options.target, options.runs, options.seed, options.corpus)
    return max([_run(name, options.runs, options.seed) for name in ([options.target] if options.target else READ_AS)])


def _run(name: str, runs: int, seed: int) -> int:
    """Runs a target in a process of its own, since libFuzzer ends it; prints one line, or all that a failure says."""
    started = time.monotonic()
    words = ["-m", "coverage_guided", "--target", name, "--runs", str(runs), "--seed", str(seed)]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        for number, content in enumerate(seeds()[name]):
            Path(corpus, str(number)).write_bytes(content)
        command = [sys.executable, *words, "--corpus", corpus]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    output = done.stdout.decode(errors="replace")
    covered = [line for line in output.splitlines() if " cov: " in line]
    reached = covered[-1].split(" cov: ")[1].split()[0] if covered else "?"
    sys.stdout.write(f"{name}: {runs:,} inputs, {reached} branches, {time.monotonic() - started:.0f} s\n")
    if done.returncode:
        sys.stdout.write(f"{output}\nFailed. Try it again: --target '{name}' --input with the Base64 above\n")
    sys.stdout.flush()
    return int(done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
