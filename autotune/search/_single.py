"""One config on one fresh server, under given loads or an objective, outside a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from autotune.errors import AutotuneError, UsageError
from autotune.load import Schedule, WrongAnswers
from autotune.measurement import CERTIFIED_RATE, Deployment, MeasureOptions, Meter, Probe, Question, Served, sweep
from autotune.objective import Ceiling, Objective
from autotune.outcome import Crash, OutcomeKind, TrialOutcome
from autotune.repository import ConfigSet, KeptApart, ServedSet
from autotune.search._executor import kind_of_failure
from autotune.search._observer import StudyObserver
from autotune.search._served import ChangeNotes


def measure_config(
    deployment: Deployment,
    configs: ConfigSet,
    log_path: Path,
    objective: Objective | None,
    options: MeasureOptions,
    loads: Mapping[int, Sequence[Schedule]],
    duration_s: float | None,
    ceilings: tuple[Ceiling, ...],
    observer: StudyObserver,
    question: Question = CERTIFIED_RATE,
) -> tuple[TrialOutcome, list[Probe], BaseException | None]:
    """The outcome of configs under the loads or the objective, its windows, and the exception that ended it, if any.

    Loads are given by batch size.

    Raises:
        UsageError: The traffic does not fit the model.
    """
    probes: list[Probe] = []
    meter: Meter | None = None
    failure: BaseException | None = None
    startup_s, message = 0.0, ""
    apart: KeptApart | None = None
    as_served: ServedSet | None = None
    crash: Crash | None = None

    def probed(probe: Probe) -> None:
        probes.append(probe)
        observer.probed(len(probes) - 1, probe)

    try:
        with deployment.serve(configs, log_path) as served:
            startup_s, apart, as_served = served.server.startup_s, served.kept_apart, served.configs
            ChangeNotes(observer)(as_served)
            observer.server_ready(0, startup_s)
            _note_wrong_answers(served, observer)
            if objective is None:
                for size, schedules in loads.items():
                    with served.with_batch_size(size) as client:
                        sweep(client, schedules, duration_s=duration_s, ceilings=ceilings, on_probe=probed)
                feasible = all(probe.holds for probe in probes)
            else:
                meter = Meter(
                    served.server,
                    served.generator,
                    objective,
                    options,
                    probed,
                    deployment.traffic.batch_size,
                    called=served.called,
                )
                feasible = meter.measure(question).feasible
        if probes and all(probe.unanswered for probe in probes):
            raise AutotuneError(probes[-1].unanswered)
        kind = OutcomeKind.FEASIBLE if feasible else OutcomeKind.INFEASIBLE
    except UsageError:
        raise
    except (AutotuneError, KeyboardInterrupt) as raised:
        failure, kind, message = raised, kind_of_failure(raised), str(raised)
        crash = Crash.of(raised)
    measurement = meter.measurement if meter else None
    outcome = TrialOutcome(
        kind,
        None,
        (as_served.configs if as_served else configs).texts(),
        measurement,
        message=message,
        startup_s=startup_s,
        log_path=log_path,
        kept_apart=apart,
        differences=as_served.differences if as_served else (),
        served_digest=as_served.digest if as_served else "",
        crash=crash,
    )
    return outcome, probes, failure


def _note_wrong_answers(served: Served, observer: StudyObserver) -> None:
    """Notes answers that batching changes; they are measured all the same, as the person asked."""
    try:
        served.check_answers()
    except WrongAnswers as wrong:
        observer.note(f"wrong answers: {wrong}")
