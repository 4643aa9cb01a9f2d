"""What a person asked for, found and checked before anything is started or written."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from autotune.errors import UsageError
from autotune.objective import Ceiling, Objective, format_duration, parse_duration

if TYPE_CHECKING:
    from autotune.load import Payload, Traffic
    from autotune.repository import ModelConfig, ModelSpec
    from autotune.server import Launcher

# With which p99s are about perf_analyzer 2.50's, rather higher than lower (`benchmarks/client_time.py`). With a client
# that takes nothing configs seem good whose batches fall apart under any other; one that takes twice as long is the
# limit of fast models.
_CLIENT_S, _LONGEST_CLIENT_S = 30e-6, 10e-3
# Of a lower one the millisecond for which it is held up now and then would be a part that matters.
_LOWEST_CEILING_S = 7e-3
_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class LaunchFlags(TypedDict, total=False):
    """How servers are launched; each key is the flag of that name (``--shm-size`` is ``shm_size``)."""

    launch: str
    image: str | None
    memory: str | None
    shm_size: str | None
    cpuset_cpus: str | None
    gpus: str
    mount: Sequence[str] | None
    triton_arg: Sequence[str] | None
    triton_path: str | Path | None
    url: str | None
    http_port: int | None
    grpc_port: int | None
    start_timeout: str


class TrafficFlags(TypedDict, total=False):
    """What requests carry and how they are sent; each key is the flag of that name."""

    protocol: str
    shape: Sequence[str] | None
    input_data: str
    payloads: int
    streaming: bool
    shared_memory: str
    client: str
    perf_analyzer: str | Path | None
    client_time: str | None


class RunFlags(LaunchFlags, TrafficFlags, total=False):
    """All that `autotune.tune` and `autotune.measure` share: how servers are launched and loaded."""


def default_study_name(model: str, objective: Objective, launch: str) -> str:
    """A name that the same command gives again, so that it resumes: ``mnist-p99-5ms-embedded``."""
    load = [f"latency-at-{objective.rate_per_s:g}"] if objective.rate_per_s is not None else []
    promise = [f"{ceiling.statistic}-{format_duration(ceiling.limit_s)}" for ceiling in objective.ceilings]
    loop = ["closed-loop"] if objective.load == "closed" else []
    return "-".join([model, *load, *promise, *loop, launch])


def find_model(model_repository: str | Path, model: str | None) -> tuple[ModelSpec, tuple[ModelSpec, ...]]:
    """The model, and the models it is composed of where it is an ensemble."""
    from autotune.repository import ModelRepository

    repository = ModelRepository(Path(model_repository))
    spec = repository.model(model) if model is not None else repository.only_model()
    return spec, repository.composing_models(spec)


def traffic_for(
    spec: ModelSpec, config: ModelConfig, flags: TrafficFlags, *, batch_size: int = 1, seed: int = 0
) -> Traffic:
    """What requests carry and how; what does not fit the model is named before anything is started."""
    from autotune.load import CLIENTS, GENERATED, Traffic, check_client, parse_shape, protocols

    protocol, client = flags.get("protocol", "http"), flags.get("client", CLIENTS[0])
    payloads, path = flags.get("payloads", 1), flags.get("perf_analyzer")
    if protocol not in protocols():
        raise UsageError(f"--protocol: {protocol!r} is unknown; use {' or '.join(protocols())}")
    if client not in CLIENTS:
        raise UsageError(f"--client: {client!r} is unknown; use {' or '.join(CLIENTS)}")
    input_data = flags.get("input_data", "random")
    if input_data not in GENERATED and not Path(input_data).is_file():
        raise UsageError(f"--input-data: {input_data!r} is neither random nor zero nor a file; name a JSON file")
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size} inferences make no request; use 1 or more")
    if payloads < 1:
        raise UsageError(f"--payloads: {payloads} different requests make no load; use 1 or more")
    streaming = flags.get("streaming", False)
    if streaming and protocol != "grpc":
        raise UsageError("--streaming: responses are streamed over gRPC only; add --protocol grpc")
    if config.value("model_transaction_policy.decoupled") and not streaming:
        raise UsageError(
            f"--streaming: model {spec.name!r} is decoupled and answers only on a stream;"
            " add --protocol grpc --streaming"
        )
    traffic = Traffic(
        protocol=protocol,
        input_data=input_data,
        payloads=payloads,
        shapes=dict(parse_shape(text) for text in flags.get("shape") or ()),
        batch_size=batch_size,
        seed=seed,
        streaming=streaming,
        shared_memory=_shared_memory(flags.get("shared_memory", "none")),
        client=client,
        perf_analyzer=Path(path) if path else None,
    )
    check_client(traffic)
    expected_payloads(spec, config, traffic)
    return traffic


def client_time_for(flags: TrafficFlags, ceilings: Sequence[Ceiling], *, searched: bool, given: bool = False) -> float:
    """Seconds that the client of a closed loop takes for each answer.

    Args:
        flags: What the person asked for.
        ceilings: What is promised.
        searched: Whether the loop is to find the most that keeps the ceilings: then it takes some unless told
            otherwise, or a ceiling is too low for it.
        given: Whether the outstanding requests are given.

    Raises:
        UsageError: A time that cannot be read, or that no closed loop of our own client is there to take.
    """
    from autotune.load import OWN_CLIENT

    text, client = flags.get("client_time"), flags.get("client", OWN_CLIENT)
    if text is None:
        low = min((each.limit_s for each in ceilings), default=0.0) < _LOWEST_CEILING_S
        return _CLIENT_S if searched and client == OWN_CLIENT and not low else 0.0
    if not (searched or given):
        raise UsageError(
            "--client-time: only a closed loop waits for its client; drop it, or add --load closed (or --concurrency)"
        )
    if client != OWN_CLIENT:
        raise UsageError(f"--client-time: {client} takes what it takes; drop it, or use --client {OWN_CLIENT}")
    client_s = 0.0 if text == "none" else parse_duration(str(text), "--client-time")
    if client_s > _LONGEST_CLIENT_S:
        raise UsageError(f"--client-time: {text} for each request is too long to measure a server by; use 10ms at most")
    return client_s


def expected_payloads(spec: ModelSpec, config: ModelConfig, traffic: Traffic) -> tuple[Payload, ...]:
    """The requests as they will be, by what the model's files say; none where they do not describe its inputs.

    Raises:
        UsageError: The traffic does not fit the model.
    """
    from autotune.load import make_payloads

    if not spec.inputs:
        return ()
    declared = {each["name"]: each for each in config.value("input") or () if "name" in each}
    inputs = [asdict(tensor) for tensor in spec.inputs]
    for tensor in inputs:  # clients send what the config says, be the model's file less strict
        if dims := declared.get(tensor["name"], {}).get("dims"):
            tensor["shape"] = (*((-1,) if config.max_batch_size > 0 else ()), *dims)
    metadata = {"inputs": inputs}
    batches = max(config.max_batch_size, traffic.batch_size if config.max_batch_size == 0 else 1)
    limit = batches if spec.batch_dimension == "dynamic" else 0
    return make_payloads(spec.name, metadata, {"max_batch_size": limit, "input": list(declared.values())}, traffic)


def _shared_memory(text: str) -> bool:
    if text not in ("none", "system"):
        raise UsageError(f"--shared-memory: {text!r} is unknown; use none or system")
    return text == "system"


def launcher_for(flags: RunFlags) -> tuple[Launcher, str]:
    """The launcher and one line that says which and why."""
    from autotune.server import LaunchOptions, choose_launcher

    share_memory = _shared_memory(flags.get("shared_memory", "none"))
    if share_memory and flags.get("shm_size"):
        raise UsageError("--shm-size: a server that shares this machine's memory has all of it; drop the size")
    triton_path = flags.get("triton_path")
    return choose_launcher(
        flags.get("launch", "auto"),
        LaunchOptions(
            image=flags.get("image"),
            memory=flags.get("memory"),
            shm_size=flags.get("shm_size"),
            share_memory=share_memory,
            cpuset_cpus=flags.get("cpuset_cpus"),
            gpus=flags.get("gpus", "auto"),
            mounts=tuple(flags.get("mount") or ()),
            triton_args=tuple(flags.get("triton_arg") or ()),
            triton_path=Path(triton_path) if triton_path else None,
            url=flags.get("url"),
            http_port=flags.get("http_port"),
            grpc_port=flags.get("grpc_port"),
            start_timeout_s=parse_duration(flags.get("start_timeout", "120s"), "--start-timeout"),
        ),
    )


def checked_study_name(name: str) -> str:
    """The name, which is also a directory's; raises `UsageError` where it cannot be one."""
    if not _STUDY_NAME.fullmatch(name):
        raise UsageError(f"--study: {name!r} names a directory; use letters, digits, '.', '_' and '-'")
    return name


def writable_directory(results: Path) -> Path:
    """The results directory, after a check that it can be written; creates nothing."""
    existing = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UsageError(f"--results: {existing} is not a directory; name another one")
    read_only = bool(os.statvfs(existing).f_flag & os.ST_RDONLY)
    if read_only or not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"--results: cannot write to {existing}; name a directory you may write to")
    return results


def read_text(path: Path, flag: str) -> str:
    """The file's text; raises `UsageError` that names ``flag`` where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{flag}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
