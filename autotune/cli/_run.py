"""``autotune run``: the main job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from autotune.cli import _options as options

NOTHING_FEASIBLE_EXIT_CODE = 3


def run(
    context: typer.Context,
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            metavar="throughput|latency",
            help="throughput: the most inferences/s under the ceilings. latency: the lowest p99 at --rate.",
            envvar="AUTOTUNE_OBJECTIVE",
        ),
    ] = "throughput",
    p99: options.P99 = None,
    p95: options.P95 = None,
    p90: options.P90 = None,
    avg: options.Avg = None,
    min_throughput: Annotated[
        float | None,
        typer.Option(
            "--min-throughput",
            "--rate",
            metavar="RATE",
            help="Inferences/s that must be carried; only for --objective latency.",
            envvar="AUTOTUNE_MIN_THROUGHPUT",
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            metavar="N",
            help="Trials the study should have in all (20, unless a time budget is given).",
            min=1,
            envvar="AUTOTUNE_TRIALS",
        ),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", metavar="DURATION", help="Wall time to spend, such as 10m.", envvar="AUTOTUNE_TIME_BUDGET"
        ),
    ] = None,
    model_repository: options.ModelRepositoryOption = Path("model_repository"),
    model: options.ModelOption = None,
    search_space: Annotated[
        Path | None,
        typer.Option(
            "--search-space",
            metavar="FILE",
            help="YAML file of what may be changed; the built-in default otherwise.",
            envvar="AUTOTUNE_SEARCH_SPACE",
            rich_help_panel="Search",
        ),
    ] = None,
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            metavar="tpe|random|grid|gp",
            help="How configs are proposed.",
            envvar="AUTOTUNE_SAMPLER",
            rich_help_panel="Search",
        ),
    ] = "tpe",
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="NAME",
            help="Name of the study; the same name resumes it. Made of model, ceilings and launch mode otherwise.",
            envvar="AUTOTUNE_STUDY",
            rich_help_panel="Search",
        ),
    ] = None,
    seed: options.Seed = 0,
    probe_duration: Annotated[
        str,
        typer.Option(
            "--probe-duration",
            metavar="DURATION",
            help="Least length of a probe that brackets or bisects; a rate is confirmed for three times as long.",
            envvar="AUTOTUNE_PROBE_DURATION",
            rich_help_panel="Load",
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
    results: options.Results = Path("results"),
    storage: options.Storage = None,
    json: options.Json = False,
    config: options.ConfigFile = None,
) -> None:
    """Find the config that carries the most under a latency promise, and export it.

    Trial 0 is your own config. Exit code 0: a config keeps the promise; 3: none does.
    """
    import optuna

    from autotune import api
    from autotune.cli._progress import follow
    from autotune.report import result_json, study_summary

    optuna.logging.set_verbosity(optuna.logging.WARNING)
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
        raise typer.Exit(NOTHING_FEASIBLE_EXIT_CODE)
