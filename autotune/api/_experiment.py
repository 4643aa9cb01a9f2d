"""The variants of an experiment file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.api._machine import create_directory, environment_of, holding_machine, remove_abandoned
from autotune.api._measure import Ready, prepare
from autotune.api._studies import create_store
from autotune.request import ExperimentRequest

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.outcome import TrialOutcome
    from autotune.search import StudyObserver
    from autotune.search.experiment import ExperimentResult


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
    ready: dict[str, Ready] = {}
    for each in entries:
        with each.errors():
            prepared = prepare(each.request, each.applied)
            ready[each.name] = replace(prepared, loads=request.shortened(prepared.loads))
    for note in dict.fromkeys(note for each in ready.values() for note in each.notes):
        observer.note(note)
    first = ready[entries[0].name]
    environment = environment_of(first.launcher, first.spec, first.composing)
    specs = {spec.path: spec for each in ready.values() for spec in (each.spec, *each.composing)}
    entrants: tuple[Entrant, ...] = ()
    interrupted = False
    with (
        holding_machine(request, first.launcher, f"autotune experiment {file.path}"),
        closing(create_store(results, request.storage)) as store,
        ExitStack() as stack,
    ):
        create_directory(directory)
        remove_abandoned(directory)
        served = {}
        for name, prepared in ready.items():
            deployment = stack.enter_context(closing(prepared.deployment(directory)))
            log = logs / "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
            served[name] = Served(
                deployment=deployment,
                configs=prepared.configs,
                loads=prepared.loads,
                objective=prepared.objective,
                options=prepared.options,
                duration_s=prepared.duration_s,
                log=log,
            )
        entrants = tuple(
            Entrant(
                name=each.name,
                variant=each.variant,
                client=each.client,
                model=ready[each.name].spec.name,
                protocol=ready[each.name].traffic.protocol,
                loads=served[each.name].keys(),
                changes=each.described(),
                generator=ready[each.name].traffic.client,
                configs=ready[each.name].configs.texts(),
            )
            for each in entries
        )

        def save(name: str, number: int, outcome: TrialOutcome, probes: Sequence[Probe]) -> None:
            store.save_run(
                model=ready[name].spec.name,
                label=f"{file.name}: {name}, round {number}",
                outcome=outcome,
                environment=environment,
                probes=probes,
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
