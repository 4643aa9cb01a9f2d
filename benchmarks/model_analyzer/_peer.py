"""Triton Model Analyzer's search, on the server that autotune's embedded mode runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from autotune.errors import UsageError
from autotune.repository import ConfigSet, stage
from autotune.server._belongings import new_prefix, remove_shared_memory
from autotune.server._bundle import check_libpython, find_bundle, stage_bundle
from autotune.server._ports import LOOPBACK, pick_ports
from benchmarks.model_analyzer._bounded import Ended, run_bounded
from benchmarks.model_analyzer._checkpoint import best, latest, read_points
from benchmarks.model_analyzer._search import Search
from benchmarks.model_analyzer._subjects import Subject

MODES = ("quick", "optuna")
VERSION = "1.58"
_ANSWERS_WITHIN_S = 60.0


@dataclass(frozen=True)
class Peer:
    """How Model Analyzer is run.

    Attributes:
        binary: ``model-analyzer``, from `find_model_analyzer`.
        perf_analyzer: The perf_analyzer that it measures with.
        protocol: What perf_analyzer speaks.
        max_batch_size: The largest batch that it may try.
        max_instances: The most instances that it may try.
        limit_s: Seconds after which it is ended.
        settings: Further entries of its configuration file, which win.
    """

    binary: Path
    perf_analyzer: Path
    protocol: str
    max_batch_size: int
    max_instances: int
    limit_s: float
    settings: Mapping[str, Any] = field(default_factory=dict)


def find_model_analyzer(path: Path | None) -> tuple[Path, str]:
    """The program at ``path`` or on PATH, and its version.

    Raises:
        UsageError: It is not there or does not run; says how to install it.
    """
    remedy = f"install triton-model-analyzer {VERSION} in an environment of its own"
    found = shutil.which(str(path) if path else "model-analyzer")
    if found is None:
        missing = f"{path} is no program" if path else "no model-analyzer on PATH"
        raise UsageError(f"--model-analyzer: {missing}; {remedy}")
    try:
        said = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--model-analyzer: {found} does not answer --version ({error}); {remedy}") from error
    version = re.search(r"\d+(\.\d+)+\S*", said.stdout)
    if said.returncode or version is None:
        raise UsageError(f"--model-analyzer: {found} does not say its version; {remedy}")
    if not version[0].startswith(f"{VERSION}."):
        print(f"Model Analyzer {version[0]}: the comparison was made for {VERSION}.", file=sys.stderr)
    return Path(found).absolute(), version[0]


def search(peer: Peer, mode: str, subject: Subject, ceiling_ms: int, directory: Path) -> Search:
    """Lets Model Analyzer search in ``mode`` with everything it writes in ``directory``, which must not exist.

    The search ends with the last checkpoint, which is written after every config; reports follow.
    """
    directory.mkdir()
    prefix = new_prefix()
    config_path = directory / "config.yaml"
    specs = tuple(subject.models.values())
    models = stage(specs, ConfigSet(tuple(each.config for each in specs)), directory / "models")
    wrapper = write_server_wrapper(directory, prefix)
    config_path.write_text(yaml.safe_dump(configuration(peer, mode, subject, ceiling_ms, models, wrapper, directory)))
    started = time.time()
    try:
        ended = run_bounded(
            [str(peer.binary), "profile", "-f", str(config_path)], directory / "log", peer.limit_s, cwd=directory
        )
    finally:
        remove_shared_memory(prefix)
    return outcome(ended, started, f"Model Analyzer {mode}", subject.spec.name, ceiling_ms, directory)


def write_server_wrapper(directory: Path, shared_memory_prefix: str) -> Path:
    """A ``tritonserver`` that is the embedded server as autotune launches it, on the loopback only."""
    staged = directory / "tritonserver-parts"
    staged.mkdir()
    binary = stage_bundle(find_bundle(), check_libpython(), staged, os.environ)
    exported = "\n".join(
        f"export {name}={shlex.quote(binary.environment[name])}" for name in ("PATH", "LD_LIBRARY_PATH")
    )
    arguments = [
        *binary.command,
        *(f"--{name}-address={LOOPBACK}" for name in ("http", "grpc", "metrics")),
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix}",
    ]
    wrapper = directory / "tritonserver"
    wrapper.write_text(f'#!/bin/sh\n{exported}\nexec {shlex.join(arguments)} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def configuration(
    peer: Peer, mode: str, subject: Subject, ceiling_ms: int, models: Path, wrapper: Path, directory: Path
) -> dict[str, Any]:
    """Model Analyzer's configuration file: the space and the promise, everything else as it comes."""
    ports = pick_ports(None, None)
    names = [each.name for each in subject.composing]
    # it finds an ensemble's steps itself, but gives them GPU instances unless they are named here
    composing = {"cpu_only_composing_models": names, **({"bls_composing_models": names} if subject.called else {})}
    return {
        "model_repository": str(models),
        "checkpoint_directory": str(directory / "checkpoints"),
        "output_model_repository_path": str(directory / "variants"),
        "override_output_model_repository": True,
        "export_path": str(directory),
        "triton_launch_mode": "local",
        "triton_server_path": str(wrapper),
        "triton_output_path": str(directory / "triton.log"),
        "triton_http_endpoint": f"{LOOPBACK}:{ports.http}",
        "triton_grpc_endpoint": f"{LOOPBACK}:{ports.grpc}",
        "triton_metrics_url": f"http://{LOOPBACK}:{ports.metrics}/metrics",
        "perf_analyzer_path": str(peer.perf_analyzer),
        "client_protocol": peer.protocol,
        "run_config_search_mode": mode,
        "run_config_search_max_model_batch_size": peer.max_batch_size,
        "run_config_search_max_instance_count": peer.max_instances,
        "profile_models": {
            subject.spec.name: {
                "objectives": ["perf_throughput"],
                "constraints": {"perf_latency_p99": {"max": ceiling_ms}},
            }
        },
        **(composing if names else {}),
        **peer.settings,
    }


def outcome(ended: Ended, started: float, name: str, model: str, ceiling_ms: int, directory: Path) -> Search:
    """What the checkpoint says of a run that ``ended``, begun at ``started`` seconds of the epoch."""
    finished = ended.returncode == 0
    message = "" if finished else _why_not(ended, directory / "log")
    checkpoint = latest(directory / "checkpoints")
    search_s = min(ended.seconds, checkpoint.stat().st_mtime - started) if checkpoint and finished else ended.seconds
    try:
        points = read_points(directory / "checkpoints", model)
    except ValueError as error:
        return Search(name, False, search_s, ended.seconds, message=f"{message}; {error}".lstrip("; "))
    chosen = best(points, ceiling_ms / 1e3)
    nothing = "no point kept the ceiling" if points else "nothing was measured"
    found = Search(
        name=name,
        finished=finished,
        search_s=search_s,
        seconds=ended.seconds,
        tried=len({point.variants for point in points}),
        points=len(points),
        configs={
            variant.rpartition("_config_")[0]: (directory / "variants" / variant / "config.pbtxt").read_text()
            for variant in (chosen.variants if chosen else ())
        },
        reported_per_s=chosen.rate_per_s if chosen else None,
        parameters=f"{', '.join(chosen.variants)} at concurrency {chosen.concurrency}" if chosen else "",
        message=message if chosen else f"{message}; {nothing}".lstrip("; "),
    )
    if ended.left_behind:
        print(f"{name}: ended {ended.left_behind} processes that it had started", file=sys.stderr)
    return found


def _why_not(ended: Ended, log: Path) -> str:
    if ended.returncode is None:
        return f"unfinished after {ended.seconds:.0f} s"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"failed with exit code {ended.returncode}: {lines[-1][:200] if lines else 'it said nothing'}"
