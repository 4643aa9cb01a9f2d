"""How options are made, and those that several commands share, each defined once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from autotune.cli._config_file import load_config_file


class Panel(str, Enum):
    """The headings of ``--help``."""

    OBJECTIVE = "Objective"
    MODEL = "Model"
    SEARCH = "Search"
    LOAD = "Load"
    SERVER = "Server"
    ADDRESS = "Address"
    OUTPUT = "Output"


def environment_variable(flag: str) -> str:
    """The variable that sets an option: ``--shm-size`` is ``AUTOTUNE_SHM_SIZE``."""
    return "AUTOTUNE_" + flag.removeprefix("--").replace("-", "_").upper()


def option(flag: str, metavar: str, help: str, *aliases: str, panel: Panel, **settings: Any) -> Any:  # noqa: A002
    """An option with its environment variable.

    Args:
        flag: The flag; ``environment_variable`` of it sets the option too.
        metavar: What stands for the value in the help; empty for a switch.
        help: What it does.
        *aliases: Other flags for the same.
        panel: Where the help shows it.
        **settings: What else ``typer.Option`` takes.
    """
    return typer.Option(
        flag,
        *aliases,
        metavar=metavar,
        help=help,
        envvar=environment_variable(flag),
        show_envvar=False,  # the names follow from the flags; 40 of them would bury the help
        rich_help_panel=panel.value,
        **settings,
    )


ConfigFile = Annotated[
    Path | None,
    option(
        "--config",
        "FILE",
        "YAML file that mirrors these options (keys are flags without dashes); flags given here win.",
        panel=Panel.OUTPUT,
        callback=load_config_file,
        is_eager=True,
    ),
]

P99 = Annotated[
    str | None,
    option("--p99", "DURATION", "Ceiling on p99 latency: 5ms, 800us, 2.5ms.", panel=Panel.OBJECTIVE),
]
P95 = Annotated[str | None, option("--p95", "DURATION", "Ceiling on p95 latency.", panel=Panel.OBJECTIVE)]
P90 = Annotated[str | None, option("--p90", "DURATION", "Ceiling on p90 latency.", panel=Panel.OBJECTIVE)]
Avg = Annotated[str | None, option("--avg", "DURATION", "Ceiling on mean latency.", panel=Panel.OBJECTIVE)]

LoadOption = Annotated[
    str,
    option(
        "--load",
        "open|closed",
        "How throughput is measured. open: Poisson arrivals. closed: as many requests outstanding as keep the ceilings,"
        " as perf_analyzer and Model Analyzer do.",
        panel=Panel.OBJECTIVE,
    ),
]

ModelRepositoryOption = Annotated[
    Path, option("--model-repository", "DIR", "Triton model repository; it is only read.", panel=Panel.MODEL)
]
ModelOption = Annotated[
    str | None,
    option("--model", "NAME", "The model; may be left out where the repository holds one.", panel=Panel.MODEL),
]

ClientTime = Annotated[
    str | None,
    option(
        "--client-time",
        "DURATION|none",
        "Closed loops: what the client takes for each answer before it sends the next request, on average (30us with"
        " --load closed, but for ceilings under 7ms; none with --concurrency).",
        panel=Panel.LOAD,
    ),
]

Protocol = Annotated[str, option("--protocol", "http|grpc", "How requests are sent.", panel=Panel.LOAD)]
Shape = Annotated[
    list[str] | None,
    option(
        "--shape",
        "NAME:D,D,...",
        "Shape of an input with dynamic dimensions, without the batch dimension; may be repeated.",
        panel=Panel.LOAD,
    ),
]
InputData = Annotated[
    str,
    option(
        "--input-data",
        "random|zero|FILE",
        "What the requests carry; a JSON file of inputs as perf_analyzer reads it, sent in turn.",
        panel=Panel.LOAD,
    ),
]
Payloads = Annotated[
    int, option("--payloads", "N", "Different requests of random data, sent in turn.", panel=Panel.LOAD, min=1)
]
Streaming = Annotated[
    bool,
    option(
        "--streaming",
        "",
        "Time a stream of responses, its first and its last: for decoupled models, over gRPC.",
        panel=Panel.LOAD,
    ),
]
SharedMemory = Annotated[
    str,
    option(
        "--shared-memory",
        "none|system",
        "Pass tensors through shared memory instead of the wire; the server must run on this machine.",
        panel=Panel.LOAD,
    ),
]
Client = Annotated[str, option("--client", "autotune|perf_analyzer", "What generates the load.", panel=Panel.LOAD)]
PerfAnalyzer = Annotated[
    Path | None,
    option(
        "--perf-analyzer", "FILE", "The binary of --client perf_analyzer; the one on PATH otherwise.", panel=Panel.LOAD
    ),
]
BatchSize = Annotated[int, option("--batch-size", "N", "Inferences in one request.", panel=Panel.LOAD, min=1)]
Seed = Annotated[int, option("--seed", "N", "Seed of the sampler and of the load.", panel=Panel.LOAD, min=0)]

Launch = Annotated[
    str,
    option(
        "--launch",
        "MODE",
        "How Triton is started: docker, embedded, local, remote, or auto for the first that is ready.",
        panel=Panel.SERVER,
    ),
]
Image = Annotated[
    str | None, option("--image", "REF", "Docker image with tritonserver on its PATH.", panel=Panel.SERVER)
]
Memory = Annotated[
    str | None, option("--memory", "SIZE", "Memory limit of the container, such as 4g.", panel=Panel.SERVER)
]
ShmSize = Annotated[str | None, option("--shm-size", "SIZE", "Size of the container's /dev/shm.", panel=Panel.SERVER)]
CpusetCpus = Annotated[
    str | None, option("--cpuset-cpus", "CPUS", "CPUs the container may use, such as 0-3.", panel=Panel.SERVER)
]
Gpus = Annotated[
    str,
    option(
        "--gpus",
        "auto|none|all|IDS",
        "GPUs the container sees; auto passes all through where the engine can.",
        panel=Panel.SERVER,
    ),
]
Mount = Annotated[
    list[str] | None,
    option("--mount", "HOST:CONTAINER[:ro]", "Extra bind mount of the container; may be repeated.", panel=Panel.SERVER),
]
TritonArg = Annotated[
    list[str] | None,
    option(
        "--triton-arg",
        "ARG",
        "Extra tritonserver argument: --triton-arg=--log-verbose=1; may be repeated.",
        panel=Panel.SERVER,
    ),
]
TritonPath = Annotated[
    Path | None, option("--triton-path", "FILE", "The tritonserver binary of --launch local.", panel=Panel.SERVER)
]
Url = Annotated[
    str | None,
    option("--url", "HOST:PORT[,GRPC_PORT]", "The explicit-mode server of --launch remote.", panel=Panel.SERVER),
]
HttpPort = Annotated[
    int | None, option("--http-port", "PORT", "Triton's HTTP port; a free one otherwise.", panel=Panel.SERVER)
]
GrpcPort = Annotated[
    int | None, option("--grpc-port", "PORT", "Triton's gRPC port; a free one otherwise.", panel=Panel.SERVER)
]
StartTimeout = Annotated[
    str, option("--start-timeout", "DURATION", "How long a server may take to be ready.", panel=Panel.SERVER)
]

Results = Annotated[
    Path, option("--results", "DIR", "Where databases, exported configs and logs go.", panel=Panel.OUTPUT)
]
Storage = Annotated[
    str | None,
    option("--storage", "URL", "SQLAlchemy URL of the database, instead of DIR/autotune.db.", panel=Panel.OUTPUT),
]
Json = Annotated[bool, option("--json", "", "Print the result as JSON on standard output.", panel=Panel.OUTPUT)]
