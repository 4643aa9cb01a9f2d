"""The options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli._config_file import load_config_file

_MODEL = "Model"
_LAUNCH = "Server"
_LOAD = "Load"
_OUTPUT = "Output"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="YAML file that mirrors these options (keys are flags without dashes); flags given here win.",
        callback=load_config_file,
        is_eager=True,
        envvar="AUTOTUNE_CONFIG",
        rich_help_panel=_OUTPUT,
    ),
]

ModelRepositoryOption = Annotated[
    Path,
    typer.Option(
        "--model-repository",
        metavar="DIR",
        help="Triton model repository; it is only read.",
        envvar="AUTOTUNE_MODEL_REPOSITORY",
        rich_help_panel=_MODEL,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model to tune; may be left out where the repository holds one.",
        envvar="AUTOTUNE_MODEL",
        rich_help_panel=_MODEL,
    ),
]

P99 = Annotated[
    str | None,
    typer.Option("--p99", metavar="DURATION", help="Ceiling on p99 latency: 5ms, 800us, 2.5ms.", envvar="AUTOTUNE_P99"),
]
P95 = Annotated[
    str | None,
    typer.Option("--p95", metavar="DURATION", help="Ceiling on p95 latency.", envvar="AUTOTUNE_P95"),
]
P90 = Annotated[
    str | None,
    typer.Option("--p90", metavar="DURATION", help="Ceiling on p90 latency.", envvar="AUTOTUNE_P90"),
]
Avg = Annotated[
    str | None,
    typer.Option("--avg", metavar="DURATION", help="Ceiling on mean latency.", envvar="AUTOTUNE_AVG"),
]

Launch = Annotated[
    str,
    typer.Option(
        "--launch",
        metavar="auto|docker|embedded|local|remote",
        help="How Triton is started for each trial.",
        envvar="AUTOTUNE_LAUNCH",
        rich_help_panel=_LAUNCH,
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        "--image",
        metavar="REF",
        help="Docker image with tritonserver on its PATH.",
        envvar="AUTOTUNE_IMAGE",
        rich_help_panel=_LAUNCH,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="SIZE", help="Memory limit of the container, such as 4g.", rich_help_panel=_LAUNCH
    ),
]
ShmSize = Annotated[
    str | None,
    typer.Option("--shm-size", metavar="SIZE", help="Size of the container's /dev/shm.", rich_help_panel=_LAUNCH),
]
CpusetCpus = Annotated[
    str | None,
    typer.Option(
        "--cpuset-cpus", metavar="CPUS", help="CPUs the container may use, such as 0-3.", rich_help_panel=_LAUNCH
    ),
]
Gpus = Annotated[
    str,
    typer.Option(
        "--gpus",
        metavar="auto|none|all|IDS",
        help="GPUs the container sees; auto passes all through where the engine can.",
        rich_help_panel=_LAUNCH,
    ),
]
Mount = Annotated[
    list[str] | None,
    typer.Option(
        "--mount",
        metavar="HOST:CONTAINER[:ro]",
        help="Extra bind mount of the container; may be repeated.",
        rich_help_panel=_LAUNCH,
    ),
]
TritonArg = Annotated[
    list[str] | None,
    typer.Option(
        "--triton-arg",
        metavar="ARG",
        help="Extra tritonserver argument, such as --triton-arg=--http-thread-count=4; may be repeated.",
        rich_help_panel=_LAUNCH,
    ),
]
TritonPath = Annotated[
    Path | None,
    typer.Option(
        "--triton-path",
        metavar="FILE",
        help="The tritonserver binary of --launch local.",
        envvar="AUTOTUNE_TRITON_PATH",
        rich_help_panel=_LAUNCH,
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="HOST:PORT[,GRPC_PORT]",
        help="The explicit-mode server of --launch remote.",
        envvar="AUTOTUNE_URL",
        rich_help_panel=_LAUNCH,
    ),
]
HttpPort = Annotated[
    int | None,
    typer.Option(
        "--http-port", metavar="PORT", help="Triton's HTTP port; free ones are chosen.", rich_help_panel=_LAUNCH
    ),
]
GrpcPort = Annotated[
    int | None,
    typer.Option(
        "--grpc-port", metavar="PORT", help="Triton's gRPC port; free ones are chosen.", rich_help_panel=_LAUNCH
    ),
]
StartTimeout = Annotated[
    str,
    typer.Option(
        "--start-timeout",
        metavar="DURATION",
        help="How long a server may take to be ready.",
        envvar="AUTOTUNE_START_TIMEOUT",
        rich_help_panel=_LAUNCH,
    ),
]

Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        metavar="http|grpc",
        help="How requests are sent.",
        envvar="AUTOTUNE_PROTOCOL",
        rich_help_panel=_LOAD,
    ),
]
Shape = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="NAME:D,D,...",
        help="Shape of an input with dynamic dimensions, without the batch dimension; may be repeated.",
        rich_help_panel=_LOAD,
    ),
]
InputData = Annotated[
    str,
    typer.Option(
        "--input-data",
        metavar="random|zero",
        help="What the requests carry.",
        envvar="AUTOTUNE_INPUT_DATA",
        rich_help_panel=_LOAD,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        metavar="N",
        help="Inferences in one request.",
        min=1,
        envvar="AUTOTUNE_BATCH_SIZE",
        rich_help_panel=_LOAD,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        help="Seed of the sampler and of the load.",
        min=0,
        envvar="AUTOTUNE_SEED",
        rich_help_panel=_LOAD,
    ),
]

Results = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Where databases, exported configs and logs go.",
        envvar="AUTOTUNE_RESULTS",
        rich_help_panel=_OUTPUT,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="SQLAlchemy URL of the database, instead of DIR/autotune.db.",
        envvar="AUTOTUNE_STORAGE",
        rich_help_panel=_OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON on standard output.", rich_help_panel=_OUTPUT),
]
