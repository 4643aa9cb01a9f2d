"""``autotune run``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options
from autotune.cli._options import Panel, option

NOTHING_MEASURED_EXIT_CODE = 1
NOTHING_FEASIBLE_EXIT_CODE = 3


def run(
    context: typer.Context,
    objective: Annotated[
        str,
        option(
            "--objective",
            "throughput|latency",
            "throughput: the most inferences/s under the ceilings. latency: the lowest p99 at --rate.",
            panel=Panel.OBJECTIVE,
        ),
    ] = "throughput",
    p99: options.P99 = None,
    p95: options.P95 = None,
    p90: options.P90 = None,
    avg: options.Avg = None,
    min_throughput: Annotated[
        float | None,
        option(
            "--min-throughput",
            "RATE",
            "Inferences/s that must be carried; only for --objective latency.",
            "--rate",
            panel=Panel.OBJECTIVE,
        ),
    ] = None,
    load: options.LoadOption = "open",
    model_repository: options.ModelRepositoryOption = Path("model_repository"),
    model: options.ModelOption = None,
    trials: Annotated[
        int | None,
        option(
            "--trials",
            "N",
            "Trials the study should have in all (20, unless a time budget is given).",
            panel=Panel.SEARCH,
            min=1,
        ),
    ] = None,
    time_budget: Annotated[
        str | None, option("--time-budget", "DURATION", "Wall time to spend, such as 10m.", panel=Panel.SEARCH)
    ] = None,
    search_space: Annotated[
        Path | None,
        option(
            "--search-space",
            "FILE",
            "YAML file of what may be changed; the built-in default otherwise.",
            panel=Panel.SEARCH,
        ),
    ] = None,
    sampler: Annotated[
        str,
        option(
            "--sampler",
            "model|tpe|random|grid|gp",
            "How configs are proposed; model simulates Triton's batcher.",
            panel=Panel.SEARCH,
        ),
    ] = "model",
    min_gain: Annotated[
        float,
        option(
            "--min-gain",
            "FRACTION",
            "By how much a config must beat the best so far to matter; the search ends where none can.",
            panel=Panel.SEARCH,
        ),
    ] = 0.02,
    final_rounds: Annotated[
        int,
        option(
            "--final-rounds",
            "N",
            "Rounds in which the best configs and your own are measured again in turns, up to four more while they"
            " leave it open; 0 for none.",
            panel=Panel.SEARCH,
        ),
    ] = 3,
    cold_start: Annotated[
        bool,
        option(
            "--cold-start",
            "",
            "Learn nothing from earlier studies of this model in the same database.",
            panel=Panel.SEARCH,
        ),
    ] = False,
    study: Annotated[
        str | None,
        option(
            "--study",
            "NAME",
            "Name of the study; the same name resumes it. Made of model, ceilings and launch mode otherwise.",
            panel=Panel.SEARCH,
        ),
    ] = None,
    seed: options.Seed = 0,
    probe_duration: Annotated[
        str,
        option(
            "--probe-duration",
            "DURATION",
            "Least length of a probe that looks for the rate; a certificate takes some fifteen times as long.",
            panel=Panel.LOAD,
        ),
    ] = "1s",
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
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """Find the config that carries the most under a latency promise, and export it.

    Trial 0 is your own config. Exit code 0: a config keeps the promise; 3: none does.
    """
    from autotune import api
    from autotune.cli._progress import follow
    from autotune.report import result_json, study_summary

    settings = {name: value for name, value in context.params.items() if name not in ("config", "json")}
    with follow(quiet=json) as observer:
        result = api.tune(**settings, observer=observer)
    if json:
        sys.stdout.write(result_json(result) + "\n")
    else:
        study_summary(result)
    if result.interrupted:
        raise KeyboardInterrupt
    if result.best is None:
        raise typer.Exit(NOTHING_FEASIBLE_EXIT_CODE if result.nearest else NOTHING_MEASURED_EXIT_CODE)
