"""The Python interface: what the command line does, with the same names and the same typed results."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from autotune.errors import AutotuneError, UsageError
from autotune.objective import Objective, format_duration, parse_ceilings, parse_duration, parse_objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from autotune.environment import Environment
    from autotune.load import PayloadData
    from autotune.measurement import Probe, SweepResult
    from autotune.repository import ModelConfig, ModelSpec
    from autotune.search import StudyObserver, StudyResult
    from autotune.server import Diagnosis, Launcher
    from autotune.store import Store

DEFAULT_TRIALS = 20
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
    trials: int | None = None,
    time_budget: str | None = None,
    search_space: str | Path | None = None,
    sampler: str = "tpe",
    study: str | None = None,
    seed: int = 0,
    probe_duration: str = "1s",
    protocol: str = "http",
    shape: Sequence[str] | None = None,
    input_data: str = "random",
    results: str | Path = "results",
    storage: str | None = None,
    observer: StudyObserver | None = None,
    **launch_flags: Unpack[LaunchFlags],
) -> StudyResult:
    """Finds the best config for a model under a latency promise; every argument is the flag of that name.

    Calling it again with the same arguments resumes the study. Durations are texts such as ``"5ms"``.

    Returns:
        Every trial, the best one and where its config was exported.

    Raises:
        UsageError: Bad input; nothing was started or written.
    """
    goal = parse_objective(objective, parse_ceilings(p99=p99, p95=p95, p90=p90, avg=avg), min_throughput)
    budget_s = parse_duration(time_budget, "--time-budget") if time_budget else None
    probe_s = parse_duration(probe_duration, "--probe-duration")
    if trials is not None and trials < 1:
        raise UsageError(f"--trials: {trials} trials cannot be run; use 1 or more")

    from autotune.measurement import Deployment, MeasureOptions
    from autotune.report import export_best
    from autotune.search import Coordinator, LocalExecutor, SilentObserver, StudyPlan, check_sampler, study_lock
    from autotune.space import SearchSpace

    check_sampler(sampler)
    observer = observer or SilentObserver()
    spec, composing = _find_model(model_repository, model)
    traffic = _traffic(spec, spec.config, protocol, shape, input_data, batch_size=1)
    space = SearchSpace.load(Path(search_space)) if search_space else SearchSpace.default()
    space, notes = space.restricted_to(spec)
    launcher, why = _launcher(launch_flags)
    name = _check_study_name(study or default_study_name(spec.name, goal, launcher.name))
    directory = _writable(Path(results)) / name
    for note in (why, *notes):
        observer.note(note)
    deployment = Deployment(
        spec=spec, launcher=launcher, directory=directory, seed=seed, composing=composing, **traffic
    )
    options = MeasureOptions(probe_s=probe_s, confirm_s=3 * probe_s, screen_s=probe_s / 2, seed=seed)
    plan = StudyPlan(
        name=name,
        spec=spec,
        space=space,
        objective=goal,
        sampler=sampler,
        seed=seed,
        trials=trials if trials or budget_s else DEFAULT_TRIALS,
        time_budget_s=budget_s,
        conditions=f"{deployment.conditions()}, {options.conditions()}",
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
    duration: str = "3s",
    model_config: str | Path | None = None,
    p99: str | None = None,
    p95: str | None = None,
    p90: str | None = None,
    avg: str | None = None,
    seed: int = 0,
    protocol: str = "http",
    shape: Sequence[str] | None = None,
    input_data: str = "random",
    batch_size: int = 1,
    results: str | Path = "results",
    storage: str | None = None,
    observer: StudyObserver | None = None,
    **launch_flags: Unpack[LaunchFlags],
) -> SweepResult:
    """Measures one config under one load or a sweep; every argument is the flag of that name.

    Returns:
        One probe per load. They are stored too, also where an interruption or a crash ends the sweep early.

    Raises:
        UsageError: Bad input; nothing was started or written.
        ServerFailure: The server did not come up or did not stay up.
    """
    from autotune.measurement import Deployment, SweepResult, schedules, sweep
    from autotune.outcome import OutcomeKind, TrialOutcome
    from autotune.repository import ModelConfig
    from autotune.search import SilentObserver, kind_of_failure
    from autotune.server import LoadFailed

    ceilings = parse_ceilings(p99=p99, p95=p95, p90=p90, avg=avg)
    duration_s = parse_duration(duration, "--duration")
    observer = observer or SilentObserver()
    spec, composing = _find_model(model_repository, model)
    config = spec.config
    if model_config is not None:
        config = ModelConfig.parse(_read(Path(model_config), "--model-config"), str(model_config))
    traffic = _traffic(spec, config, protocol, shape, input_data, batch_size)
    loads = schedules(concurrency, rate, seed=seed, batch_size=batch_size)
    launcher, why = _launcher(launch_flags)
    directory = _writable(Path(results)) / "measurements"
    observer.note(why)
    deployment = Deployment(
        spec=spec, launcher=launcher, directory=directory, seed=seed, composing=composing, **traffic
    )
    log_path = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    probes: list[Probe] = []
    outcome = TrialOutcome(OutcomeKind.FEASIBLE, None, config.to_text(), None, log_path=log_path)

    def probed(probe: Probe) -> None:
        probes.append(probe)
        observer.probed(len(probes) - 1, probe)

    with closing(_create_store(Path(results), storage)) as store:
        _create_directory(directory)
        observer.study_started(f"measuring {spec.name}", 0, len(loads))
        try:
            with deployment.serve(config, log_path) as served:
                outcome = replace(outcome, startup_s=served.server.startup_s)
                observer.server_ready(0, outcome.startup_s)
                sweep(served, loads, duration_s=duration_s, ceilings=ceilings, on_probe=probed)
            if not all(probe.holds for probe in probes):
                outcome = replace(outcome, kind=OutcomeKind.INFEASIBLE)
        except UsageError:
            raise
        except (AutotuneError, KeyboardInterrupt) as failure:
            outcome = replace(outcome, kind=kind_of_failure(failure), message=str(failure))
            if isinstance(failure, LoadFailed) and model_config is not None:
                raise UsageError(f"--model-config: {model_config}: {failure}") from failure
            raise
        finally:
            if probes or outcome.message:
                store.save_run(
                    model=spec.name,
                    label=str(model_config or "your config"),
                    outcome=outcome,
                    environment=_environment(launcher, spec, composing),
                    probes=probes,
                )
    return SweepResult(
        model=spec.name,
        protocol=protocol,
        ceilings=ceilings,
        probes=tuple(probes),
        launch=launcher.describe(),
        config_text=config.to_text(),
        startup_s=outcome.startup_s,
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


def default_study_name(model: str, objective: Objective, launch: str) -> str:
    """A name that the same command gives again, so that it resumes: ``mnist-p99-5ms-embedded``."""
    load = [f"latency-at-{objective.rate_per_s:g}"] if objective.rate_per_s is not None else []
    promise = [f"{ceiling.statistic}-{format_duration(ceiling.limit_s)}" for ceiling in objective.ceilings]
    return "-".join([model, *load, *promise, launch])


def _find_model(model_repository: str | Path, model: str | None) -> tuple[ModelSpec, tuple[ModelSpec, ...]]:
    """The model, and the models it is composed of where it is an ensemble."""
    from autotune.repository import ModelRepository

    repository = ModelRepository(Path(model_repository))
    spec = repository.model(model) if model is not None else repository.only_model()
    return spec, repository.composing_models(spec)


class _Traffic(TypedDict):
    protocol: str
    input_data: PayloadData
    shapes: Mapping[str, Sequence[int]]
    batch_size: int


def _traffic(
    spec: ModelSpec,
    config: ModelConfig,
    protocol: str,
    shape: Sequence[str] | None,
    input_data: str,
    batch_size: int,
) -> _Traffic:
    """What requests carry and how; what does not fit the model is named before anything is started."""
    from autotune.load import make_payload, parse_shape, protocols

    if protocol not in protocols():
        raise UsageError(f"--protocol: {protocol!r} is unknown; use {' or '.join(protocols())}")
    if input_data not in ("random", "zero"):
        raise UsageError(f"--input-data: {input_data!r} is unknown; use random or zero")
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size} inferences make no request; use 1 or more")
    data: PayloadData = "random" if input_data == "random" else "zero"
    shapes = dict(parse_shape(text) for text in shape or ())
    if spec.inputs:  # the payload as it will be, from what the files say
        metadata = {"inputs": [asdict(tensor) for tensor in spec.inputs]}
        batches = max(config.max_batch_size, batch_size if config.max_batch_size == 0 else 1)
        limit = batches if spec.batch_dimension == "dynamic" else 0
        make_payload(spec.name, metadata, {"max_batch_size": limit}, data=data, batch_size=batch_size, shapes=shapes)
    return _Traffic(
        protocol=protocol,
        input_data=data,
        shapes=shapes,
        batch_size=batch_size,
    )


def _launcher(flags: LaunchFlags) -> tuple[Launcher, str]:
    """The launcher and one line that says which and why."""
    from autotune.server import LaunchOptions, choose_launcher

    triton_path = flags.get("triton_path")
    return choose_launcher(
        flags.get("launch", "auto"),
        LaunchOptions(
            image=flags.get("image"),
            memory=flags.get("memory"),
            shm_size=flags.get("shm_size"),
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


def _check_study_name(name: str) -> str:
    if not _STUDY_NAME.fullmatch(name):
        raise UsageError(f"--study: {name!r} names a directory; use letters, digits, '.', '_' and '-'")
    return name


def _writable(results: Path) -> Path:
    """The results directory, after a check that it can be written; creates nothing."""
    existing = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise UsageError(f"--results: {existing} is not a directory; name another one")
    read_only = bool(os.statvfs(existing).f_flag & os.ST_RDONLY)
    if read_only or not os.access(existing, os.W_OK | os.X_OK):
        raise UsageError(f"--results: cannot write to {existing}; name a directory you may write to")
    return results


def _create_store(results: Path, storage: str | None) -> Store:
    from autotune.store import Store, database_url

    return Store.open(storage or database_url(results), "--storage" if storage else "--results")


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--results: cannot create {directory}: {error.strerror}; name another directory") from error


def _environment(launcher: Launcher, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Environment:
    from autotune.environment import capture
    from autotune.repository import content_digest

    return capture(launcher.describe(), "+".join(content_digest(each) for each in (spec, *composing)))


def _read(path: Path, flag: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{flag}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
