"""The Python interface: what the command line does, with the same names and the same typed results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import AutotuneError, UsageError
from autotune.objective import Ceiling, Objective, parse_ceilings, parse_duration, parse_objective
from autotune.request import (
    RunFlags,
    checked_study_name,
    client_time_for,
    default_study_name,
    expected_payloads,
    find_model,
    launcher_for,
    read_text,
    traffic_for,
    writable_directory,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from autotune.environment import Environment
    from autotune.load import Schedule
    from autotune.measurement import Deployment, Meter, Probe, SweepResult
    from autotune.outcome import TrialOutcome
    from autotune.repository import ModelConfig, ModelSpec
    from autotune.search import StudyObserver, StudyResult
    from autotune.server import Diagnosis, Launcher
    from autotune.store import Store

DEFAULT_TRIALS = 20
_PROBE_S = 1.0


def tune(
    model_repository: str | Path = "model_repository",
    model: str | None = None,
    *,
    objective: str = "throughput",
    p99: str | None = None,
    p95: str | None = None,
    p90: str | None = None,
    avg: str | None = None,
    min_throughput: float | None = None,
    load: str = "open",
    trials: int | None = None,
    time_budget: str | None = None,
    search_space: str | Path | None = None,
    sampler: str = "model",
    min_gain: float = 0.02,
    final_rounds: int = 3,
    cold_start: bool = False,
    study: str | None = None,
    seed: int = 0,
    probe_duration: str = "1s",
    results: str | Path = "results",
    storage: str | None = None,
    observer: StudyObserver | None = None,
    **flags: Unpack[RunFlags],
) -> StudyResult:
    """Finds the best config for a model under a latency promise; every argument is the flag of that name.

    Calling it again with the same arguments resumes the study. Durations are texts such as ``"5ms"``.

    Returns:
        Every trial, the best one and where its config was exported.

    Raises:
        UsageError: Bad input. Nothing was started or written, unless only the loaded model could tell (the
            shape of an input that neither its config nor its file describes).
    """
    ceilings = parse_ceilings(p99=p99, p95=p95, p90=p90, avg=avg)
    client_s = client_time_for(flags, ceilings, searched=load == "closed")
    goal = parse_objective(objective, ceilings, min_throughput, load, client_s)
    budget_s = parse_duration(time_budget, "--time-budget") if time_budget else None
    probe_s = parse_duration(probe_duration, "--probe-duration")
    if not 0 <= min_gain < 1:
        raise UsageError(f"--min-gain: {min_gain:g} is no gain; use a fraction from 0 to below 1, such as 0.02 for 2%")
    if final_rounds < 0:
        raise UsageError(f"--final-rounds: {final_rounds} rounds cannot be held; use 0 or more")
    if trials is not None and trials < 1:
        raise UsageError(f"--trials: {trials} trials cannot be run; use 1 or more")

    from autotune.measurement import Deployment, MeasureOptions
    from autotune.report import export_best
    from autotune.search import Coordinator, LocalExecutor, SilentObserver, StudyPlan, check_sampler, study_lock
    from autotune.space import SearchSpace, advice

    check_sampler(sampler)
    observer = observer or SilentObserver()
    spec, composing = find_model(model_repository, model)
    traffic = traffic_for(spec, spec.config, flags, seed=seed)
    space = SearchSpace.load(Path(search_space)) if search_space else SearchSpace.default()
    space, notes = space.restricted_to(spec)
    launcher, why = launcher_for(flags)
    name = checked_study_name(study or default_study_name(spec.name, goal, launcher.name))
    directory = writable_directory(Path(results)) / name
    for note in (why, *notes, *advice(spec, space, only_cpus=_has_only_cpus(launcher))):
        observer.note(note)
    deployment = Deployment(spec, launcher, directory, traffic, composing)
    options = MeasureOptions.of(probe_s, seed)
    plan = StudyPlan(
        name=name,
        spec=spec,
        space=space,
        objective=goal,
        sampler=sampler,
        seed=seed,
        trials=trials if trials or budget_s else DEFAULT_TRIALS,
        time_budget_s=budget_s,
        min_gain=min_gain,
        final_rounds=final_rounds,
        cold_start=cold_start,
        conditions=f"{traffic.conditions()}, {options.conditions()}",
    )
    with closing(_create_store(Path(results), storage)) as store:
        _create_directory(directory)
        with study_lock(store.directory or directory, name):
            executor = LocalExecutor(deployment, goal, options, logs=directory / "logs")
            environment = _environment(launcher, spec, composing)
            result = Coordinator(plan, store, executor, environment, observer).run()
    if result.best is not None:
        result = replace(result, config_path=export_best(result, directory))
    return result


def measure(
    model_repository: str | Path = "model_repository",
    model: str | None = None,
    *,
    concurrency: str | int | None = None,
    rate: str | float | None = None,
    arrivals: str = "poisson",
    trace: str | Path | None = None,
    trace_format: str = "timestamps",
    duration: str | None = None,
    model_config: str | Path | None = None,
    p99: str | None = None,
    p95: str | None = None,
    p90: str | None = None,
    avg: str | None = None,
    load: str = "open",
    seed: int = 0,
    batch_size: int = 1,
    results: str | Path = "results",
    storage: str | None = None,
    observer: StudyObserver | None = None,
    **flags: Unpack[RunFlags],
) -> SweepResult:
    """Measures one config; every argument is the flag of that name.

    Under one load or a sweep of loads where they are given. With ceilings alone: the highest rate that keeps
    them, located and certified, or with ``load="closed"`` the most that a closed loop completes. With neither: one
    request at a time.

    Returns:
        One probe per load, or every probe of the measurement with what it came to. They are stored too, also
        where an interruption or a crash ends it early.

    Raises:
        UsageError: Bad input. Nothing was started or written, unless only the loaded model could tell (the
            shape of an input that neither its config nor its file describes).
        ServerFailure: The server did not come up or did not stay up.
    """
    from autotune.load import ClosedLoop, check_offerable
    from autotune.measurement import Deployment, SweepResult, schedules
    from autotune.repository import ModelConfig
    from autotune.search import SilentObserver
    from autotune.server import LoadFailed

    ceilings = parse_ceilings(p99=p99, p95=p95, p90=p90, avg=avg)
    duration_s = parse_duration(duration, "--duration") if duration is not None else None
    observer = observer or SilentObserver()
    spec, composing = find_model(model_repository, model)
    config = spec.config
    if model_config is not None:
        config = ModelConfig.parse(read_text(Path(model_config), "--model-config"), str(model_config))
    traffic = traffic_for(spec, config, flags, batch_size=batch_size, seed=seed)
    client_s = client_time_for(flags, ceilings, searched=load == "closed", given=concurrency is not None)
    loads = schedules(
        concurrency,
        rate,
        trace,
        trace_format=trace_format,
        arrivals=arrivals,
        seed=seed,
        batch_size=batch_size,
        client_s=client_s,
    )
    loads = loads if loads or ceilings else (ClosedLoop(1),)
    if loads and load != "open":
        raise UsageError(
            f"--load: {load} needs ceilings such as --p99 5ms, and none of --concurrency, --rate and --trace"
        )
    objective = None if loads else parse_objective("throughput", ceilings, load=load, client_s=client_s)
    check_offerable(traffic, expected_payloads(spec, config, traffic), loads)
    launcher, why = launcher_for(flags)
    directory = writable_directory(Path(results)) / "measurements"
    observer.note(why)
    deployment = Deployment(spec, launcher, directory, traffic, composing)
    log_path = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    with closing(_create_store(Path(results), storage)) as store:
        _create_directory(directory)
        observer.study_started(f"measuring {spec.name}", 0, len(loads) or None)
        outcome, probes, failure = _measured(
            deployment, config, log_path, objective, loads, duration_s, ceilings, observer
        )
        if probes or outcome.message:
            store.save_run(
                model=spec.name,
                label=str(model_config or "your config"),
                outcome=outcome,
                environment=_environment(launcher, spec, composing),
                probes=probes,
            )
    if isinstance(failure, LoadFailed) and model_config is not None:
        raise UsageError(f"--model-config: {model_config}: {failure}") from failure
    if failure is not None:
        raise failure
    return SweepResult(
        model=spec.name,
        protocol=traffic.protocol,
        client=traffic.client,
        ceilings=ceilings,
        probes=tuple(probes),
        launch=launcher.describe(),
        config_text=config.to_text(),
        startup_s=outcome.startup_s,
        measurement=outcome.measurement,
    )


def export(
    study: str | None = None,
    *,
    trial: int | None = None,
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[str, Path | None]:
    """The config of a study's best trial (or of ``trial``) as text, and the file it was written to.

    ``output`` is a file, a directory (``config.pbtxt`` in it), or ``"-"`` for no file at all.

    Raises:
        UsageError: No such study or trial, or nothing feasible to export.
    """
    from autotune.report import export_trial

    found = find_study(study, results=results, storage=storage)
    return export_trial(found, trial, Path(output) if output is not None else None, Path(results) / found.study)


def list_studies(*, results: str | Path = "results", storage: str | None = None) -> list[StudyResult]:
    """Every study of a database as it stands, the newest first.

    Raises:
        UsageError: There is no database.
    """
    from autotune.search import stored_results

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_results(store, Path(results))


def find_study(study: str | None = None, *, results: str | Path = "results", storage: str | None = None) -> StudyResult:
    """One study as it stands; ``study`` may be left out where the database holds one.

    Raises:
        UsageError: There is no database or no such study.
    """
    from autotune.search import stored_result

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_result(store, study, Path(results))


def doctor(
    *, image: str | None = None, triton_path: str | Path | None = None, url: str | None = None
) -> list[Diagnosis]:
    """What each launch mode finds here and what it lacks."""
    from autotune.server import LaunchOptions, diagnose

    return diagnose(LaunchOptions(image=image, triton_path=Path(triton_path) if triton_path else None, url=url))


def open_store(*, results: str | Path = "results", storage: str | None = None) -> Store:
    """The store of an existing database; never creates one.

    Raises:
        UsageError: There is none.
    """
    from autotune.store import Store, database_url

    flag = "--storage" if storage else "--results"
    return Store.open_existing(storage or database_url(Path(results)), flag)


def _measured(
    deployment: Deployment,
    config: ModelConfig,
    log_path: Path,
    objective: Objective | None,
    loads: Sequence[Schedule],
    duration_s: float | None,
    ceilings: tuple[Ceiling, ...],
    observer: StudyObserver,
) -> tuple[TrialOutcome, list[Probe], BaseException | None]:
    """What a config did under the loads, or what it carries under an objective; with what was raised, if anything.

    Raises:
        UsageError: The traffic does not fit the model.
    """
    from autotune.measurement import MeasureOptions, Meter, sweep
    from autotune.outcome import OutcomeKind, TrialOutcome
    from autotune.search import kind_of_failure

    probes: list[Probe] = []
    meter: Meter | None = None
    failure: BaseException | None = None
    startup_s, message = 0.0, ""

    def probed(probe: Probe) -> None:
        probes.append(probe)
        observer.probed(len(probes) - 1, probe)

    try:
        with deployment.serve(config, log_path) as served:
            startup_s = served.server.startup_s
            observer.server_ready(0, startup_s)
            if objective is None:
                sweep(served, loads, duration_s=duration_s, ceilings=ceilings, on_probe=probed)
                held = all(probe.holds for probe in probes)
            else:
                traffic = deployment.traffic
                options = MeasureOptions.of(_PROBE_S, traffic.seed)
                meter = Meter(served.server, served.generator, objective, options, probed, traffic.batch_size)
                held = meter.measure().feasible
        kind = OutcomeKind.FEASIBLE if held else OutcomeKind.INFEASIBLE
    except UsageError:
        raise
    except (AutotuneError, KeyboardInterrupt) as raised:
        failure, kind, message = raised, kind_of_failure(raised), str(raised)
    measurement = meter.measurement if meter else None
    outcome = TrialOutcome(
        kind, None, config.to_text(), measurement, message=message, startup_s=startup_s, log_path=log_path
    )
    return outcome, probes, failure


def _create_store(results: Path, storage: str | None) -> Store:
    from autotune.store import Store, database_url

    return Store.open(storage or database_url(results), "--storage" if storage else "--results")


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--results: cannot create {directory}: {error.strerror}; name another directory") from error


def _has_only_cpus(launcher: Launcher) -> bool:
    """Whether ONNX models have nothing else to compute on: the embedded server's ONNX Runtime knows no GPU."""
    from autotune.environment import gpu_state

    return launcher.name == "embedded" or (launcher.name in ("docker", "local") and gpu_state() is None)


def _environment(launcher: Launcher, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Environment:
    from autotune.environment import capture
    from autotune.repository import content_digest

    return capture(launcher.describe(), "+".join(content_digest(each) for each in (spec, *composing)))
