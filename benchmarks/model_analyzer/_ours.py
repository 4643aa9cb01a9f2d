"""autotune's search, as a person would start it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.model_analyzer._bounded import run_bounded
from benchmarks.model_analyzer._search import Search

NAME = "autotune"
# What `autotune run` ends with where a config keeps the promise, and where none does.
_SUCCESSES = (0, 3)
_REFUSED = 2


def search(
    repository: Path,
    model: str,
    p99: str,
    *,
    protocol: str,
    limit_s: float,
    directory: Path,
    options: Sequence[str] = (),
) -> Search:
    """Runs ``autotune run`` on its default space with everything it writes in ``directory``, which must not exist.

    Args:
        repository: The model repository.
        model: The model.
        p99: The ceiling, such as ``20ms``.
        protocol: ``http`` or ``grpc``.
        limit_s: Seconds after which it is ended.
        directory: Where results go.
        options: Further options of ``autotune run``.

    Raises:
        SystemExit: It refuses the options.
    """
    directory.mkdir()
    command = [sys.executable, "-m", "autotune", "run", "--model-repository", str(repository), "--model", model]
    command += ["--p99", p99, "--launch", "embedded", "--protocol", protocol]
    command += ["--results", str(directory / "results"), "--json", *options]
    output, errors = directory / "result.json", directory / "log"
    ended = run_bounded(command, output, limit_s, errors=errors)
    if ended.returncode not in _SUCCESSES:
        said = errors.read_text(errors="replace").strip().splitlines()
        if ended.returncode == _REFUSED:
            raise SystemExit("\n".join(said) or "autotune refuses the options")
        why = "unfinished" if ended.returncode is None else f"failed with exit code {ended.returncode}"
        message = f"{why} after {ended.seconds:.0f} s: {said[-1] if said else 'it said nothing'}"
        return Search(NAME, False, ended.seconds, ended.seconds, message=message)
    return outcome(json.loads(output.read_text()), ended.seconds)


def outcome(result: Mapping[str, Any], seconds: float) -> Search:
    """What ``autotune run --json`` says, of a process that took ``seconds``."""
    trials, chosen = result["trials"], result["best"]
    return Search(
        name=NAME,
        finished=True,
        search_s=float(result.get("search_seconds") or result["seconds"]),
        seconds=seconds,
        tried=len({str(trial["configs"]) for trial in trials if trial["configs"]}),
        points=sum(len(trial["probes"]) for trial in trials),
        configs=chosen["configs"] if chosen else {},
        reported_per_s=chosen["rate_per_s"] if chosen else None,
        parameters=", ".join(f"{name} {value}" for name, value in (chosen["parameters"] or {}).items())
        if chosen
        else "",
        message="" if chosen else "no config kept the ceiling",
    )
