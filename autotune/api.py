"""The Python interface: what the command line does, with the same names and the same typed results."""

from __future__ import annotations

import functools
import inspect
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from autotune.errors import AutotuneError, UsageError
from autotune.request import (
    CheckRequest,
    CompareRequest,
    ComparisonRequest,
    ExperimentRequest,
    MeasureRequest,
    Named,
    RunRequest,
    expected_payloads,
)

if TYPE_CHECKING:
    from autotune.cluster import Cluster
    from autotune.environment import Environment
    from autotune.load import Schedule, Traffic
    from autotune.measurement import Deployment, MeasureOptions, Probe, SweepResult
    from autotune.objective import Ceiling, Objective
    from autotune.outcome import TrialOutcome
    from autotune.report.deploy import ExportedRepository
    from autotune.repository import ConfigSet, ModelConfig, ModelSpec
    from autotune.search import FleetResult, StudyObserver, StudyResult
    from autotune.search.comparison import Baseline, CheckResult, ComparisonResult, Contender
    from autotune.search.experiment import ExperimentResult
    from autotune.server import Diagnosis, Launcher, Leftover
    from autotune.store import Store, StudyOutline, Windows

_Fields = ParamSpec("_Fields")
_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


def run_study(request: RunRequest, observer: StudyObserver | None = None) -> StudyResult:
    """Finds the best config for a model under an SLO. The same request again resumes the study.

    Returns:
        Every trial, the best one and the path of its exported config.

    Raises:
        UsageError: Bad input. Nothing was started or written, except if only the loaded model shows it (the
            shape of an input that neither its config nor its file describes).
    """
    if request.all or request.each:
        raise UsageError(f"--{'all' if request.all else 'each'}: tunes several models; call run_fleet")
    request, translated = request.completed()
    request.goal(), request.time_budget_s(), request.measure_options(), request.checks_outputs()

    from autotune.search import check_sampler

    check_sampler(request.sampler)
    if request.mlflow is not None:
        _check_mlflow(request.mlflow)
    if not request.on_ray():
        return _run_study(request, translated, observer)

    from autotune.cluster import cluster_of

    request.writable_directory()
    spec, composing = request.find_model(request.triton_arg, allow_batching=request.allow_batching)
    with cluster_of(request, spec, composing) as cluster:
        return _run_study(request, (*translated, *cluster.notes), observer, cluster)


def run_fleet(request: RunRequest, observer: StudyObserver | None = None) -> FleetResult:
    """Tunes the models of ``all`` or ``each`` one after the other, the longest expected first.

    A model that cannot be tuned does not keep the others from it. Trials and time budget are those of each model.

    Returns:
        The study of each model, or why there is none.

    Raises:
        UsageError: The request is at fault, or no model can be tuned.
    """
    from autotune.search import FleetResult, ModelStudy, SilentObserver, longest_first
    from autotune.store import Store, database_url

    observer = observer or SilentObserver()
    models, results = request.fleet(), request.writable_directory()
    url = request.storage or database_url(results)
    try:
        known = Store.open_existing(url, "--storage")
    except UsageError:  # no study was run yet
        known = None
    with closing(known) if known else nullcontext():
        waiting = longest_first(models, known)
    done: list[ModelStudy] = []
    first: UsageError | None = None
    try:
        while waiting:
            name = waiting[0]
            observer.note(f"model {name}, {len(done) + 1} of {len(models)}")
            single = replace(request, all=False, each=(), model=name)
            try:
                done.append(ModelStudy(name, run_study(single, observer)))
            except AutotuneError as error:
                first = first or (error if isinstance(error, UsageError) else None)
                observer.note(f"{name}: {error}")
                done.append(ModelStudy(name, error=str(error)))
            waiting.pop(0)
            if done[-1].result is not None and done[-1].result.interrupted:
                break
    except KeyboardInterrupt:
        if not done:
            raise
    if first is not None and all(each.result is None for each in done):
        raise first
    return FleetResult(tuple(done), tuple(waiting))


def _run_study(
    request: RunRequest, translated: Sequence[str], observer: StudyObserver | None, cluster: Cluster | None = None
) -> StudyResult:
    """The study of a completed request, on this machine or on a cluster."""
    goal, time_budget_s, options = request.goal(), request.time_budget_s(), request.measure_options()
    check_outputs = request.checks_outputs()

    from autotune.measurement import Deployment
    from autotune.report import export_best
    from autotune.repository import RequestShapes, file_listing
    from autotune.search import Coordinator, LocalExecutor, SilentObserver, StudyPlan, study_lock
    from autotune.server import check_gpu_instances, check_gpu_search
    from autotune.space import JointSpace, advice, shape_advice

    observer = observer or SilentObserver()
    launcher, why = cluster.served_by if cluster else request.launcher(share_memory=request.shares_memory)
    found = request.find_models(request.triton_arg, allow_batching=request.allow_batching)
    asked, composing = (tuple(_completed_there(each, launcher) for each in part) for part in found)
    traffics = request.traffics([(each, each.config) for each in asked], composing, seed=request.seed)
    models, spec, beside = (*asked, *composing), asked[0], (*asked[1:], *composing)
    traffic = traffics[spec.name]
    space, notes = JointSpace.of(request.space(), models, asked=len(asked))
    for each in models:
        launcher.check_model(each)
        searched = space.spaces.get(each.name)
        check_gpu_search(launcher, each, searched.kinds if searched is not None else ())
        if searched is None or not searched.moves_off_gpus:
            check_gpu_instances(launcher, each.name, each.config)
    _check_memory_limits(launcher, goal)
    name = request.study_name(spec.name, launcher.name)
    results = request.writable_directory()
    directory = results / name
    only_cpus = launcher.has_gpu() is False
    advised = [
        note
        for each in models
        if each.name in space.spaces
        for note in advice(each, space.spaces[each.name], only_cpus=only_cpus)
    ]
    config_notes = _config_notes(launcher, request.triton_arg, [each.config for each in models])
    for each in asked:
        shapes = RequestShapes(payload.shapes for payload in expected_payloads(each, each.config, traffics[each.name]))
        if each.name in space.spaces:
            advised += shape_advice(each, space.spaces[each.name], shapes)
    said = (*translated, why, *_named_config_notes(models), *notes, *advised, *config_notes)
    plan = StudyPlan(
        name=name,
        models=models,
        space=space,
        objective=goal,
        sampler=request.sampler,
        seed=request.seed,
        trials=request.most_trials(),
        time_budget_s=time_budget_s,
        min_gain=request.min_gain,
        final_rounds=request.final_rounds,
        cold_start=request.cold_start,
        conditions=f"{_conditions(traffics)}, {options.conditions()}",
        files="".join(file_listing(each) for each in models),
        requests=None if goal.weights else shapes,
    )
    with (
        _holding_machine(request, launcher, f"autotune run --study {name}") if cluster is None else nullcontext(),
        closing(create_store(results, request.storage)) as store,
    ):
        _create_directory(directory)
        for note in said:
            observer.note(note)
        with study_lock(store.directory or directory, name), store.exclusive(name), ExitStack() as stack:
            _remove_abandoned(directory)
            stack.enter_context(store.in_use())
            if cluster is not None:
                workers = cluster.workers(directory / "logs", observer.note, request.workers)
                result = Coordinator(plan, store, workers, cluster.environment, observer, workers=workers).run()
                workers.compare_hosts(result, store, time_budget_s)
            else:
                deployment = stack.enter_context(
                    closing(
                        Deployment(spec, launcher, directory, traffic, beside, shares=goal.shares, traffics=traffics)
                    )
                )
                executor = LocalExecutor(deployment, goal, options, directory / "logs", check_outputs)
                environment = _environment(launcher, spec, beside)
                result = Coordinator(plan, store, executor, environment, observer).run()
    if result.best is not None:
        result = replace(result, config_path=export_best(result, directory))
    if request.mlflow is not None and result.trials:
        _log_run(request, result, observer)
    return result


def _check_mlflow(uri: str) -> None:
    from autotune.report.tracking import check_mlflow

    check_mlflow(uri)


def _log_run(request: RunRequest, result: StudyResult, observer: StudyObserver) -> None:
    """Logs a study that has ended; if that fails, the note says how to log it later."""
    from autotune.report.tracking import shown_uri

    uri = request.mlflow or ""
    try:
        experiment = log_study(uri, result.study, results=request.results, storage=request.storage)
    except AutotuneError as error:
        where = f" --storage {shown_uri(request.storage)}" if request.storage else f" --results {request.results}"
        again = f"autotune report {result.study} --mlflow {shown_uri(uri)}{where}"
        observer.note(f"warning: the study was not logged ({error}); log it with: {again}")
    else:
        observer.note(f"logged to {shown_uri(uri)}, experiment {experiment}, run {result.study}")


def _check_memory_limits(launcher: Launcher, goal: Objective) -> None:
    """Raises `UsageError` for a limit on memory that cannot be seen."""
    if goal.memory_limits and launcher.name == "remote":
        flag = "--max-memory" if goal.max_memory else "--max-gpu-memory"
        raise UsageError(f"{flag}: the memory of a server at --url cannot be seen; drop it, or use --launch")
    if goal.max_gpu_memory and launcher.finds_gpu() is False:
        raise UsageError("--max-gpu-memory: there is no GPU; drop it, or limit --max-memory")


def run_measurement(request: MeasureRequest, observer: StudyObserver | None = None) -> SweepResult:
    """Measures one config.

    The loads that the request gives; else its sustainable rate (or closed-loop throughput) under the ceilings; else
    one request at a time.

    Returns:
        One probe per load, or every probe of the search with its result; those finished before if it was interrupted.
        They are stored too, also if a crash ends the measurement early.

    Raises:
        UsageError: Bad input. Nothing was started or written, except if only the loaded model shows it (the
            shape of an input that neither its config nor its file describes).
        ServerFailure: The server did not come up or did not stay up.
        AutotuneError: Every request failed; has Triton's words.
    """
    from autotune.measurement import SweepResult
    from autotune.search import BASELINE, SilentObserver, measure_config
    from autotune.server import LoadFailed

    observer = observer or SilentObserver()
    ready = _prepare(request)
    request, spec, beside, launcher = ready.request, ready.spec, ready.composing, ready.launcher
    ceilings, duration_s, options, loads = ready.ceilings, ready.duration_s, ready.options, ready.loads
    models = ", ".join(request.shares()) or spec.name
    results = request.writable_directory()
    directory = results / "measurements"
    deployment = ready.deployment(directory)
    log_path = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    with (
        _holding_machine(request, launcher, f"autotune measure --model {models}"),
        closing(create_store(results, request.storage)) as store,
        closing(deployment),
    ):
        _create_directory(directory)
        for note in ready.notes:
            observer.note(note)
        _remove_abandoned(directory)
        observer.study_started(f"measuring {models}", 0, sum(map(len, loads.values())) or None)
        outcome, probes, failure = measure_config(
            deployment, ready.configs, log_path, ready.objective, options, loads, duration_s, ceilings, observer
        )
        if probes or outcome.message:
            store.save_run(
                model=models,
                label=str(request.model_config or BASELINE),
                outcome=outcome,
                environment=_environment(launcher, spec, beside),
                probes=probes,
            )
    if isinstance(failure, LoadFailed) and request.model_config is not None:
        raise UsageError(f"--model-config: {request.model_config}: {failure}") from failure
    interrupted = isinstance(failure, KeyboardInterrupt) and any(probe.purpose != "warm-up" for probe in probes)
    if failure is not None and not interrupted:
        raise failure
    return SweepResult(
        model=models,
        protocol=ready.traffic.protocol,
        client=ready.traffic.client,
        ceilings=ceilings,
        probes=tuple(probes),
        launch=launcher.describe(),
        config_text=outcome.config_text,
        startup_s=outcome.startup_s,
        kept_apart=outcome.kept_apart,
        measurement=None if interrupted else outcome.measurement,
        interrupted=interrupted,
    )


@dataclass(frozen=True)
class _Ready:
    """A measurement of which everything was checked; nothing is started yet.

    Attributes:
        request: It, with the options of its scenario or perf_analyzer command.
        spec: The model.
        composing: The models that it needs, or that share the load with it.
        configs: Its config, and those of the other models.
        traffics: What requests to each model that is asked carry and how they are sent.
        loads: The loads by batch size; empty if a rate is searched.
        objective: What is searched; None if loads are given.
        ceilings: The SLO.
        options: Window lengths.
        duration_s: Seconds of each window; None for the default.
        launcher: The launch mode.
        notes: What the user should know first.
    """

    request: MeasureRequest
    spec: ModelSpec
    composing: tuple[ModelSpec, ...]
    configs: ConfigSet
    traffics: Mapping[str, Traffic]
    loads: Mapping[int, Sequence[Schedule]]
    objective: Objective | None
    ceilings: tuple[Ceiling, ...]
    options: MeasureOptions
    duration_s: float | None
    launcher: Launcher
    notes: tuple[str, ...]

    def deployment(self, directory: Path) -> Deployment:
        """How it is served; ``directory`` is where models are staged."""
        from autotune.measurement import Deployment

        return Deployment(
            self.spec,
            self.launcher,
            directory,
            self.traffic,
            self.composing,
            shares=self.request.shares(),
            traffics=self.traffics,
        )

    @property
    def traffic(self) -> Traffic:
        """That of the model that is asked first."""
        return self.traffics[self.spec.name]


def _prepare(
    request: MeasureRequest,
    change: Callable[[ConfigSet, Sequence[ModelSpec]], ConfigSet] = lambda configs, specs: configs,
) -> _Ready:
    """Checks a measurement; ``change`` edits its configs.

    Raises:
        UsageError: Bad input.
    """
    request, translated = request.completed()
    ceilings, duration_s = request.ceilings(), request.duration_s()

    from autotune.load import check_offerable
    from autotune.repository import ConfigSet
    from autotune.server import check_gpu_instances

    asked, composing = request.find_models(request.triton_arg)
    spec, composing = asked[0], (*asked[1:], *composing)
    written = [each.config for each in composing if each.has_config or each in asked]
    configs = change(ConfigSet.of(request.config(spec), *written), (spec, *composing))
    config = configs.asked
    sizes, left_out = request.batch_sizes_for(config)
    loads = request.loads(sizes)
    objective = None if loads else request.goal()
    configured = [(each, configs.get(each.name) or each.config) for each in asked]
    traffics = request.traffics(configured, composing, batch_size=max(sizes), seed=request.seed)
    traffic = traffics[spec.name]
    options = request.measure_options()
    for size, schedules in loads.items():
        sized = replace(traffic, batch_size=size)
        check_offerable(sized, expected_payloads(spec, config, sized), schedules)
    launcher, why = request.launcher(share_memory=request.shares_memory)
    served = {each.name: configs.get(each.name) or each.config for each in composing} | {spec.name: config}
    for each in (spec, *composing):
        launcher.check_model(each)
        check_gpu_instances(launcher, each.name, served[each.name])
    notes = [*translated, why, *_named_config_notes((spec, *composing))]
    notes += _config_notes(launcher, request.triton_arg, list(served.values()))
    if left_out:
        skipped = ", ".join(map(str, left_out))
        most = config.max_batch_size
        notes.append(f"--scenario {request.scenario}: batches of {skipped} are left out; max_batch_size is {most}")
    return _Ready(
        request,
        spec,
        composing,
        configs,
        traffics,
        loads,
        objective,
        ceilings,
        options,
        duration_s,
        launcher,
        tuple(notes),
    )


def run_comparison(request: CompareRequest, observer: StudyObserver | None = None) -> ComparisonResult:
    """Measures given configs in turns on fresh servers.

    Returns:
        What was measured of each, in every round that was finished; `autotune.search.comparison.rank` compares them.

    Raises:
        UsageError: Bad input. Nothing was started or written.
    """
    return _compared(request, request.contenders(), observer)


def run_experiment(request: ExperimentRequest, observer: StudyObserver | None = None) -> ExperimentResult:
    """Measures the variants of an experiment file in turns, each with each client, on fresh servers.

    Returns:
        What was measured of each, in every round that was finished.

    Raises:
        UsageError: Bad input, with the file's line. Nothing was started or written.
    """
    file = request.read()
    entries = request.entries(file)

    from autotune.report.experiment import check_printed
    from autotune.repository import file_listing
    from autotune.search import SilentObserver
    from autotune.search.experiment import Entrant, ExperimentResult, Served, measure_experiment

    observer = observer or SilentObserver()
    check_printed(file.printed, file.columns, file.error)
    statistic = request.statistic(file, entries)
    results = request.writable_directory()
    directory = results / "experiments" / file.name
    logs = directory / "logs"
    ready: dict[str, _Ready] = {}
    for each in entries:
        with each.errors():
            prepared = _prepare(each.request, each.applied)
            ready[each.name] = replace(prepared, loads=request.shortened(prepared.loads))
    for note in dict.fromkeys(note for each in ready.values() for note in each.notes):
        observer.note(note)
    first = ready[entries[0].name]
    environment = _environment(first.launcher, first.spec, first.composing)
    specs = {spec.path: spec for each in ready.values() for spec in (each.spec, *each.composing)}
    entrants: tuple[Entrant, ...] = ()
    interrupted = False
    with (
        _holding_machine(request, first.launcher, f"autotune experiment {file.path}"),
        closing(create_store(results, request.storage)) as store,
        ExitStack() as stack,
    ):
        _create_directory(directory)
        _remove_abandoned(directory)
        served = {}
        for name, prepared in ready.items():
            deployment = stack.enter_context(closing(prepared.deployment(directory)))
            log = logs / "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
            served[name] = Served(
                deployment,
                prepared.configs,
                prepared.loads,
                prepared.objective,
                prepared.options,
                prepared.duration_s,
                log,
            )
        entrants = tuple(
            Entrant(
                each.name,
                each.variant,
                each.client,
                ready[each.name].spec.name,
                ready[each.name].traffic.protocol,
                served[each.name].keys(),
                each.described(),
                ready[each.name].traffic.client,
                ready[each.name].configs.texts(),
            )
            for each in entries
        )

        def save(label: str, outcome: TrialOutcome, probes: Sequence[Probe]) -> None:
            model = ready[label.rpartition(", round ")[0]].spec.name
            store.save_run(
                model=model, label=f"{file.name}: {label}", outcome=outcome, environment=environment, probes=probes
            )

        rounds = request.rounds(file)
        windows = rounds * sum(len(each.loads) for each in entrants)
        observer.study_started(f"experiment {file.name}", 0, windows)
        try:
            for measured in measure_experiment(
                entrants,
                served,
                rounds,
                statistic=statistic or "",
                ceilings=first.ceilings,
                observer=observer,
                save=save,
            ):
                entrants = measured
        except KeyboardInterrupt:
            if not any(each.rounds for each in entrants):
                raise
            interrupted = True
    return ExperimentResult(
        name=file.name,
        about=file.about,
        entrants=entrants,
        statistic=statistic,
        ceilings=first.ceilings,
        environment=environment,
        files="".join(map(file_listing, specs.values())),
        round_count=rounds,
        interrupted=interrupted,
    )


def write_experiment(result: ExperimentResult, request: ExperimentRequest) -> Path:
    """Writes an experiment's report, its data and its plots to the results directory; returns the report's path.

    Raises:
        UsageError: They cannot be written.
    """
    from autotune.report.experiment import write_files

    file = request.read()
    return write_files(result, Path(request.results) / "experiments" / file.name, file.columns)


def run_check(request: CheckRequest, observer: StudyObserver | None = None) -> CheckResult:
    """Compares the repository's config with a recorded one, both measured again in turns.

    Returns:
        The comparison and whether the config passed. The files of ``record`` and ``junit`` are written.

    Raises:
        UsageError: Bad input, or a baseline of another model or machine. Nothing was started or written.
    """
    allowed, path = request.allowed(), request.baseline_path()
    request.check_outputs()

    from autotune.report import comparison_json, junit_xml
    from autotune.repository import ConfigSet
    from autotune.search import BASELINE
    from autotune.search.comparison import CheckResult, read_baseline

    named = [request.repository_config()]
    baseline = read_baseline(path) if path is not None else None
    if baseline is not None:
        model = named[0].spec.name
        if baseline.model != model:
            raise UsageError(f"--baseline: {path} is of model {baseline.model!r}, not {model!r}; record one of it")
        configs = ConfigSet.parse(baseline.configs, str(path))
        named.append(replace(named[0], name=BASELINE, configs=configs))
    result = CheckResult(_compared(request, named, observer, baseline), allowed, baseline)
    comparison = result.comparison
    if comparison.interrupted:
        return result
    ours = replace(comparison, contenders=comparison.contenders[:1])
    if request.record is not None and ours.contenders[0].compared:
        Path(request.record).write_text(comparison_json(ours), encoding="utf-8")
    if request.junit is not None:
        Path(request.junit).write_text(junit_xml(result), encoding="utf-8")
    return result


def _compared(
    request: ComparisonRequest,
    named: Sequence[Named],
    observer: StudyObserver | None,
    baseline: Baseline | None = None,
) -> ComparisonResult:
    """Measures the configs in turns; refuses a baseline of another machine before anything is started."""
    loads = request.loads()
    objective = None if loads else request.goal()
    ceilings, duration_s, options = request.ceilings(), request.duration_s(), request.measure_options()

    from autotune.load import check_offerable
    from autotune.measurement import Deployment
    from autotune.search import SilentObserver
    from autotune.search.comparison import ComparisonResult, Measurer, Metric, measure_in_turns, other_machine
    from autotune.server import check_gpu_instances

    observer = observer or SilentObserver()
    statistic = "" if request.rate is None else ceilings[0].statistic if ceilings else "p99"
    metric = Metric(request.load_words(), ceilings, statistic)
    launcher, why = request.launcher(share_memory=request.shares_memory)
    results = request.writable_directory()
    directory = results / "comparisons"
    served = {}
    for each in named:
        models, asked = (each.spec, *each.composing), each.configs.asked
        traffic = request.traffic(
            each.spec, asked, composing=each.composing, batch_size=request.batch_size, seed=request.seed
        )
        check_offerable(traffic, expected_payloads(each.spec, asked, traffic), loads)
        for model in models:
            launcher.check_model(model)
            check_gpu_instances(launcher, model.name, asked if model is each.spec else model.config)
        served[each.name] = Deployment(each.spec, launcher, directory, traffic, each.composing), each.configs
    spec = named[0].spec
    environment = _environment(launcher, spec, named[0].composing)
    if baseline is not None and (differences := other_machine(baseline.environment, environment)):
        raise UsageError(
            f"--baseline: is of another machine and not comparable ({'; '.join(differences)});"
            " record one here with autotune check --record FILE"
        )
    config_notes = _config_notes(launcher, request.triton_arg, [config for each in named for config in each.configs])
    said = dict.fromkeys((why, *_named_config_notes((spec, *named[0].composing)), *config_notes))
    contenders: tuple[Contender, ...] = ()
    interrupted = False
    with (
        _holding_machine(request, launcher, f"autotune compare --model {spec.name}"),
        closing(create_store(results, request.storage)) as store,
        ExitStack() as stack,
    ):
        _create_directory(directory)
        for note in said:
            observer.note(note)
        _remove_abandoned(directory)
        for deployment, _ in served.values():
            stack.enter_context(closing(deployment))
        logs = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"

        def save(label: str, outcome: TrialOutcome, probes: Sequence[Probe]) -> None:
            store.save_run(model=spec.name, label=label, outcome=outcome, environment=environment, probes=probes)

        measurer = Measurer(served, metric, objective, loads, options, duration_s, logs, observer, save)
        observer.study_started(f"comparing {len(named)} configs", 0, len(named) * request.rounds if loads else None)
        try:
            texts = {each.name: each.configs.texts() for each in named}
            for measured in measure_in_turns(texts, request.rounds, measurer):
                contenders = measured
        except KeyboardInterrupt:
            if not contenders:
                raise
            interrupted = True
    return ComparisonResult(spec.name, metric, contenders, environment, interrupted)


def _by_keywords(
    request: Callable[_Fields, _Request], run: Callable[[_Request], _Result]
) -> Callable[_Fields, _Result]:
    """``run`` with the fields of its request as keywords, for callers and editors alike."""

    @functools.wraps(run)
    def call(*values: _Fields.args, **fields: _Fields.kwargs) -> _Result:
        return run(request(*values, **fields))

    returned = inspect.signature(run).return_annotation
    call.__dict__["__signature__"] = inspect.signature(request).replace(return_annotation=returned)
    return call


tune = _by_keywords(RunRequest, run_study)
tune_all = _by_keywords(RunRequest, run_fleet)
measure = _by_keywords(MeasureRequest, run_measurement)
compare = _by_keywords(CompareRequest, run_comparison)
check = _by_keywords(CheckRequest, run_check)
experiment = _by_keywords(ExperimentRequest, run_experiment)


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


def export_repository(
    directory: str | Path,
    study: str | None = None,
    *,
    trial: int | None = None,
    model_repository: str | Path | None = None,
    formats: Sequence[str] = (),
    image: str | None = None,
    launch: str | None = "auto",
    results: str | Path = "results",
    storage: str | None = None,
) -> ExportedRepository:
    """Writes every model that a study served, with the configs of its best trial (or of ``trial``), to ``directory``.

    The models' files are those in ``model_repository``, by default where the study found them.

    ``formats`` are deployment files (``compose``, ``kubernetes``, ``kserve``, ``helm-values``) for ``image``. The
    repository is started once in the mode ``launch``; None skips that.

    Raises:
        UsageError: Bad input, such as a directory that is not empty. Nothing was written.
        AutotuneError: The repository does not load. Nothing was written.
    """
    from autotune.report.deploy import export_repository as write_repository
    from autotune.search import find_record, stored_result

    with closing(open_store(results=results, storage=storage)) as store:
        record = find_record(store, study)
        found = stored_result(store, record.name, Path(results))
    return write_repository(
        found,
        Path(directory),
        Path(model_repository or record.repository or "model_repository"),
        number=trial,
        formats=formats,
        image=image,
        launch=launch,
    )


def report(
    study: str | None = None,
    *,
    format: str | None = None,  # noqa: A002
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[str, Path | None]:
    """The report of a study as text, and the file it was written to.

    ``format`` is ``html``, ``markdown`` or ``json``; by default that of the output's suffix, else ``html``. ``output``
    is a file, a directory (``report.html`` in it), or ``"-"`` for no file at all; by default the study's directory.

    Raises:
        UsageError: No such study, an unknown format, or an output that cannot be written.
    """
    from autotune.report.document import build, read_source, report_format, write_report

    report_format(format, Path(output) if output is not None else None)
    with closing(open_store(results=results, storage=storage)) as store:
        source = read_source(store, study, Path(results))
    target = Path(output) if output is not None else None
    return write_report(build(source), format, target, Path(results) / source.result.study)


def log_study(
    uri: str, study: str | None = None, *, results: str | Path = "results", storage: str | None = None
) -> str:
    """Logs a study to MLflow: the result, each trial as a nested run, the report and the configs.

    Args:
        uri: The tracking URI, such as ``http://127.0.0.1:5000``.
        study: The study; not needed if there is only one.
        results: The results directory.
        storage: URL of the database, if it is another one than that of the results directory.

    Returns:
        The name of the experiment.

    Raises:
        UsageError: No such study, or MLflow's client is not installed.
        AutotuneError: The server does not answer, or refuses.
    """
    from autotune.report.document import read_source
    from autotune.report.tracking import log_to_mlflow

    with closing(open_store(results=results, storage=storage)) as store:
        source = read_source(store, study, Path(results))
    return log_to_mlflow(uri, source)


def export_study(
    study: str | None = None,
    *,
    format: str = "csv",  # noqa: A002
    rows: str = "trials",
    output: str | Path | None = None,
    results: str | Path = "results",
    storage: str | None = None,
) -> tuple[bytes, Path | None]:
    """The data of a study, and the file they were written to.

    ``format`` is ``csv``, ``parquet``, ``json`` or ``model-analyzer``, ``rows`` is ``trials`` or ``windows``, and
    ``output`` a file; None or ``"-"`` for none. `StudyResult.to_frame` gives the trials as a pandas table.

    Raises:
        UsageError: No such study, unknown format or rows, or a file that cannot be written.
    """
    from autotune.report import check_data_options, export_data
    from autotune.search import stored_result

    target = Path(output) if output is not None else None
    check_data_options(format, rows, target)
    with closing(open_store(results=results, storage=storage)) as store:
        windows: Windows = "all" if format == "model-analyzer" else "deciding"
        return export_data(store, stored_result(store, study, Path(results), windows), format, rows, target)


def list_studies(
    *,
    results: str | Path = "results",
    storage: str | None = None,
    on_damaged: Callable[[AutotuneError], None] | None = None,
) -> list[StudyResult]:
    """Every study of a database as it stands, the newest first; its trials have only the windows that decided.

    ``on_damaged`` gets the error of each study that cannot be read; without it, the first one is raised.

    Raises:
        UsageError: There is no database.
    """
    from autotune.search import stored_results

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_results(store, Path(results), on_damaged)


def outline_studies(
    *,
    results: str | Path = "results",
    storage: str | None = None,
    on_damaged: Callable[[AutotuneError], None] | None = None,
) -> list[StudyOutline]:
    """Every study of a database in one line, the newest first; far quicker than `list_studies`.

    ``on_damaged`` gets the error of each study that cannot be read; without it, the first one is raised.

    Raises:
        UsageError: There is no database.
    """
    from autotune.search import stored_outlines

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_outlines(store, Path(results), on_damaged)


def find_study(study: str | None = None, *, results: str | Path = "results", storage: str | None = None) -> StudyResult:
    """One study as it stands; ``study`` is not needed if the database holds only one.

    Raises:
        UsageError: There is no database or no such study.
    """
    from autotune.search import stored_result

    with closing(open_store(results=results, storage=storage)) as store:
        return stored_result(store, study, Path(results))


def find_studies(
    first: str | None,
    second: str | None,
    *,
    results: str | Path = "results",
    storage: str | None = None,
    other_results: str | Path | None = None,
) -> tuple[StudyResult, StudyResult]:
    """Two studies as they stand; the second one may be in another results directory.

    Raises:
        UsageError: There is no database or no such study.
    """
    found = find_study(first, results=results, storage=storage)
    if other_results is not None:
        return found, find_study(second, results=other_results)
    return found, find_study(second, results=results, storage=storage)


def doctor(
    *,
    model_repository: str | Path | None = None,
    image: str | None = None,
    triton_path: str | Path | None = None,
    url: str | None = None,
) -> list[Diagnosis]:
    """The machine, the files of a model repository, and what each launch mode finds here and what is missing."""
    from autotune.server import LaunchOptions, diagnose

    options = LaunchOptions(image=image, triton_path=Path(triton_path) if triton_path else None, url=url)
    return diagnose(options, Path(model_repository) if model_repository else None)


def clean(*, results: str | Path = "results", dry_run: bool = False) -> list[Leftover]:
    """Finds what runs left that were killed, and removes it unless ``dry_run``.

    That is: repositories staged in the results directory, and on this machine processes, shared memory, temporary
    directories and containers. What belongs to a run that lives, or to another user, is left out.
    """
    from autotune.cluster import abandoned_directories
    from autotune.repository import abandoned_areas, remove_abandoned
    from autotune.server import Leftover, leftovers

    if Path(results).exists() and not Path(results).is_dir():
        raise UsageError(f"--results: {results} is not a directory; name that of the killed runs")

    found = [
        Leftover("staged models", str(area), functools.partial(remove_abandoned, area))
        for directory in sorted(Path(results).glob("*"))
        if directory.is_dir()
        for area in abandoned_areas(directory)
    ]
    found += [
        Leftover("directory of a Ray worker", str(each), functools.partial(shutil.rmtree, each, ignore_errors=True))
        for each in abandoned_directories()
    ]
    with leftovers() as on_this_machine:
        found += on_this_machine
        for each in found if not dry_run else ():
            each.remove()
    return found


def open_store(*, results: str | Path = "results", storage: str | None = None) -> Store:
    """The store of an existing database; never creates one.

    Raises:
        UsageError: There is none.
    """
    from autotune.store import Store, database_url

    flag = "--storage" if storage else "--results"
    return Store.open_existing(storage or database_url(Path(results)), flag)


def _named_config_notes(specs: Sequence[ModelSpec]) -> list[str]:
    """Which models have a config by ``--model-config-name``."""
    return [
        f"{each.name}: its config is {each.config_file} (--model-config-name); trials serve theirs as config.pbtxt"
        for each in specs
        if each.config_file != "config.pbtxt"
    ]


def _completed_there(spec: ModelSpec, launcher: Launcher) -> ModelSpec:
    """The model as a server that already runs completes its config."""
    from autotune.server import RemoteLauncher

    return replace(spec, completion=launcher.completion_of(spec)) if isinstance(launcher, RemoteLauncher) else spec


def _conditions(traffics: Mapping[str, Traffic]) -> str:
    """How requests are sent, in words; of several models each one's."""
    if len(traffics) == 1:
        return next(iter(traffics.values())).conditions()
    return "; ".join(f"{model}: {traffic.conditions()}" for model, traffic in traffics.items())


def _config_notes(launcher: Launcher, arguments: Sequence[str], configs: Sequence[ModelConfig]) -> list[str]:
    """What a user should know about the configs before they are served."""
    from autotune.server import config_notes

    known = None if launcher.name == "remote" else arguments
    return [note for config in configs for note in config_notes(config, known)]


def create_store(results: Path, storage: str | None) -> Store:
    """The database of a results directory, or ``storage``; made if it is not there yet."""
    from autotune.store import Store, database_url

    return Store.open(storage or database_url(results), "--storage" if storage else "--results")


def _create_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--results: cannot create {directory}: {error.strerror}; name another directory") from error


def _holding_machine(
    request: RunRequest | MeasureRequest | ComparisonRequest | ExperimentRequest, launcher: Launcher, what: str
) -> AbstractContextManager[None]:
    """Keeps other runs from measuring here meanwhile; raises `UsageError` when entered if one does already."""
    from autotune.environment import machine_lock

    return nullcontext() if request.share_machine or launcher.name == "remote" else machine_lock(what)


def _remove_abandoned(directory: Path) -> None:
    """Removes what dead runs staged in a directory."""
    from autotune.repository import abandoned_areas, remove_abandoned

    for area in abandoned_areas(directory):
        remove_abandoned(area)


def _environment(launcher: Launcher, spec: ModelSpec, composing: Sequence[ModelSpec]) -> Environment:
    from autotune.environment import capture
    from autotune.repository import content_digest

    return capture(launcher.describe(), "+".join(content_digest(each) for each in (spec, *composing)))
