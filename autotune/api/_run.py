"""One study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from autotune.api._machine import create_directory, environment_of, holding_machine, remove_abandoned
from autotune.api._notes import completed_there, conditions_of, notes_on_configs, notes_on_named_configs
from autotune.api._studies import create_store, log_study
from autotune.errors import AutotuneError, UsageError
from autotune.passwords import without_passwords
from autotune.request import RunRequest, expected_payloads

if TYPE_CHECKING:
    from autotune.cluster import Cluster
    from autotune.objective import Objective
    from autotune.repository import ModelSpec, RequestShapes
    from autotune.search import StudyObserver, StudyResult
    from autotune.server import Launcher
    from autotune.space import JointSpace


def run_study(request: RunRequest, observer: StudyObserver | None = None) -> StudyResult:
    """Finds the best config for a model under an SLO. The same request again resumes the study.

    Returns:
        Every trial, the best one and the path of its exported config.

    Raises:
        UsageError: Bad input. Nothing was started or written, except if only the loaded model shows it (the
            shape of an input that neither its config nor its file describes).
    """
    if flag := request.several():
        raise UsageError(f"{flag}: makes several studies; call run_fleet")
    request, translated = checked(request)
    if not request.on_ray():
        return _run_study(request, translated, observer)
    with on_cluster(request) as (cluster,):
        return study_on(cluster, request, translated, observer)


def checked(request: RunRequest) -> tuple[RunRequest, tuple[str, ...]]:
    """The request with the options of its Model Analyzer file, checked, and notes on how that was read.

    Raises:
        UsageError: Options are at fault.
    """
    request, translated = request.completed()
    request.goal(), request.time_budget_s(), request.measure_options(), request.checks_outputs()

    from autotune.search import check_sampler

    check_sampler(request.sampler)
    if request.mlflow is not None:
        _check_mlflow(request.mlflow)
    return request, translated


@contextmanager
def on_cluster(request: RunRequest) -> Iterator[tuple[Cluster, ...]]:
    """The cluster of a checked request, until the context is left: one, or with ``per_hardware`` one a kind of nodes.

    Raises:
        UsageError: See `autotune.cluster.clusters_of`.
    """
    if request.models is not None:
        raise UsageError("--executor: ray serves one model a trial; use --executor local with --models")
    from autotune.cluster import clusters_of

    request.writable_directory()
    spec, composing = request.find_model(request.triton_arg, allow_batching=request.allow_batching)
    with clusters_of(request, spec, composing) as clusters:
        yield clusters


def study_on(
    cluster: Cluster, request: RunRequest, translated: Sequence[str], observer: StudyObserver | None
) -> StudyResult:
    """The study of a checked request on a cluster."""
    return _run_study(request, (*translated, *cluster.notes), observer, cluster)


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
    from autotune.space import JointSpace

    observer = observer or SilentObserver()
    launcher, why = cluster.served_by if cluster else request.launcher(share_memory=request.shares_memory)
    found = request.find_models(request.triton_arg, allow_batching=request.allow_batching)
    asked, composing = (tuple(completed_there(each, launcher) for each in part) for part in found)
    traffics = request.traffics([(each, each.config) for each in asked], composing, seed=request.seed)
    models, spec, beside = (*asked, *composing), asked[0], (*asked[1:], *composing)
    traffic = traffics[spec.name]
    space, notes = JointSpace.of(request.space(), models, asked=len(asked))
    _check_models(launcher, models, space)
    _check_memory_limits(launcher, goal)
    kind = cluster.kind.name if cluster is not None and request.per_hardware else ""
    name = request.study_name(spec.name, launcher.name, kind)
    results = request.writable_directory()
    directory = results / name
    shapes = {
        each.name: RequestShapes(
            payload.shapes for payload in expected_payloads(each, each.config, traffics[each.name])
        )
        for each in asked
    }
    advised = _advice(launcher, models, space, shapes)
    config_notes = notes_on_configs(launcher, request.triton_arg, [each.config for each in models])
    said = (*translated, why, *notes_on_named_configs(models), *notes, *advised, *config_notes)
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
        conditions=f"{conditions_of(traffics)}, {options.conditions()}",
        files="".join(file_listing(each) for each in models),
        requests=None if goal.weights else shapes[spec.name],
    )
    with (
        holding_machine(request, launcher, f"autotune run --study {name}") if cluster is None else nullcontext(),
        closing(create_store(results, request.storage)) as store,
    ):
        create_directory(directory)
        for note in said:
            observer.note(note)
        with study_lock(store.directory or directory, name), store.exclusive(name), ExitStack() as stack:
            remove_abandoned(directory)
            stack.enter_context(store.in_use())
            if cluster is not None:
                workers = cluster.workers(directory / "logs", observer.note, request.workers)
                if (earlier := store.study(name)) is not None:
                    workers.recall(trial.outcome for trial in store.trials(earlier, windows="deciding"))
                result = Coordinator(plan, store, workers, cluster.environment, observer, workers=workers).run()
                workers.compare_hosts(result, store, time_budget_s)
            else:
                deployment = stack.enter_context(
                    closing(
                        Deployment(spec, launcher, directory, traffic, beside, shares=goal.shares, traffics=traffics)
                    )
                )
                executor = LocalExecutor(deployment, goal, options, directory / "logs", check_outputs)
                environment = environment_of(launcher, spec, beside)
                result = Coordinator(plan, store, executor, environment, observer).run()
    if result.best is not None:
        result = replace(result, config_path=export_best(result, directory))
    if request.mlflow is not None and result.trials:
        _log_run(request, result, observer)
    return result


def _check_models(launcher: Launcher, models: Sequence[ModelSpec], space: JointSpace) -> None:
    """Raises `UsageError` if the launcher cannot serve a model, or lacks the GPU that it or its space asks for."""
    from autotune.server import check_gpu_instances, check_gpu_search, with_arguments

    for each in models:
        launcher.check_model(each)
        searched = space.spaces.get(each.name)
        with_arguments(launcher, searched.arguments if searched is not None else ())
        check_gpu_search(launcher, each, searched.kinds if searched is not None else ())
        if searched is None or not searched.moves_off_gpus:
            check_gpu_instances(launcher, each.name, each.config)


def _advice(
    launcher: Launcher, models: Sequence[ModelSpec], space: JointSpace, shapes: Mapping[str, RequestShapes]
) -> Iterator[str]:
    """What else is worth a search, by model; ``shapes`` are those of the requests to each model that gets some."""
    from autotune.space import advice, shape_advice

    only_cpus = launcher.has_gpu() is False
    searched = [each for each in models if each.name in space.spaces]
    for each in searched:
        yield from advice(each, space.spaces[each.name], only_cpus=only_cpus)
    for each in searched:
        if each.name in shapes:
            yield from shape_advice(each, space.spaces[each.name], shapes[each.name])


def _check_mlflow(uri: str) -> None:
    from autotune.report.tracking import check_mlflow

    check_mlflow(uri)


def _log_run(request: RunRequest, result: StudyResult, observer: StudyObserver) -> None:
    """Logs a study that has ended; if that fails, the note says how to log it later."""
    uri = request.mlflow or ""
    try:
        experiment = log_study(uri, result.study, results=request.results, storage=request.storage)
    except AutotuneError as error:
        where = (
            f" --storage {without_passwords(request.storage)}" if request.storage else f" --results {request.results}"
        )
        again = f"autotune report {result.study} --mlflow {without_passwords(uri)}{where}"
        observer.note(f"warning: the study was not logged ({error}); log it with: {again}")
    else:
        observer.note(f"logged to {without_passwords(uri)}, experiment {experiment}, run {result.study}")


def _check_memory_limits(launcher: Launcher, goal: Objective) -> None:
    """Raises `UsageError` for memory that is limited or optimised and cannot be seen."""
    if launcher.name == "remote" and any(each.is_memory for each in goal.values):
        raise UsageError("--objective: the memory of a server at --url cannot be seen; drop memory, or use --launch")
    if goal.memory_limits and launcher.name == "remote":
        flag = "--max-memory" if goal.max_memory else "--max-gpu-memory"
        raise UsageError(f"{flag}: the memory of a server at --url cannot be seen; drop it, or use --launch")
    if goal.max_gpu_memory and launcher.finds_gpu() is False:
        raise UsageError("--max-gpu-memory: there is no GPU; drop it, or limit --max-memory")
