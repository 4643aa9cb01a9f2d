"""``autotune measure``: one config under one load or a sweep of loads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options
from autotune.cli._options import Panel, option


def measure(
    context: typer.Context,
    concurrency: Annotated[
        str | None,
        option("--concurrency", "N|START:END[:STEP]", "Closed loop: requests kept outstanding.", panel=Panel.LOAD),
    ] = None,
    rate: Annotated[
        str | None,
        option("--rate", "R|START:END[:STEP]", "Open loop: inferences/s offered, see --arrivals.", panel=Panel.LOAD),
    ] = None,
    arrivals: Annotated[
        str, option("--arrivals", "poisson|constant", "Gaps between the requests of --rate.", panel=Panel.LOAD)
    ] = "poisson",
    trace: Annotated[
        Path | None,
        option("--trace", "FILE", "Open loop: recorded arrivals, one number of seconds a line.", panel=Panel.LOAD),
    ] = None,
    trace_format: Annotated[
        str,
        option(
            "--trace-format",
            "timestamps|gaps",
            "Whether the trace's numbers are arrival times or the gaps between them.",
            panel=Panel.LOAD,
        ),
    ] = "timestamps",
    duration: Annotated[
        str | None,
        option("--duration", "DURATION", "Length of each window (3s, a trace its own).", panel=Panel.LOAD),
    ] = None,
    p99: options.P99 = None,
    p95: options.P95 = None,
    p90: options.P90 = None,
    avg: options.Avg = None,
    load: options.LoadOption = "open",
    model_repository: options.ModelRepositoryOption = Path("model_repository"),
    model: options.ModelOption = None,
    model_config: Annotated[
        Path | None,
        option(
            "--model-config", "FILE", "Measure with this config.pbtxt instead of the repository's.", panel=Panel.MODEL
        ),
    ] = None,
    seed: options.Seed = 0,
    launch: options.Launch = "auto",
    image: options.Image = None,
    memory: options.Memory = None,
    shm_size: options.ShmSize = None,
    cpuset_cpus: options.CpusetCpus = None,
    gpus: options.Gpus = "auto",
    mount: options.Mount = None,
    triton_arg: options.TritonArg = None,
    triton_path: options.TritonPath = None,
    url: options.Url = None,
    http_port: options.HttpPort = None,
    grpc_port: options.GrpcPort = None,
    start_timeout: options.StartTimeout = "120s",
    protocol: options.Protocol = "http",
    shape: options.Shape = None,
    input_data: options.InputData = "random",
    payloads: options.Payloads = 1,
    streaming: options.Streaming = False,
    shared_memory: options.SharedMemory = "none",
    client_time: options.ClientTime = None,
    client: options.Client = "autotune",
    perf_analyzer: options.PerfAnalyzer = None,
    batch_size: options.BatchSize = 1,
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """Measure one config: the highest rate that keeps a promise, or how it fares under given loads.

    With ceilings alone, the rate is located and certified. With --concurrency, --rate or --trace, a table shows
    client latencies and the server's queue and compute split, and with ceilings whether they were kept.
    """
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.report import sweep_json, sweep_table

    settings = {name: value for name, value in context.params.items() if name not in ("config", "json")}
    with follow(quiet=json) as observer:
        result = api.measure(**settings, observer=observer)
    if json:
        sys.stdout.write(sweep_json(result) + "\n")
    else:
        sweep_table(result)
