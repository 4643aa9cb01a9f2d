"""Configs in turns on fresh servers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.api._machine import create_directory, environment_of, holding_machine, remove_abandoned
from autotune.api._notes import notes_on_configs, notes_on_named_configs
from autotune.api._studies import create_store
from autotune.errors import UsageError
from autotune.request import (
    CheckRequest,
    CompareRequest,
    ComparisonRequest,
    Named,
    expected_payloads,
)

if TYPE_CHECKING:
    from autotune.measurement import Probe
    from autotune.outcome import TrialOutcome
    from autotune.search import StudyObserver
    from autotune.search.comparison import Baseline, CheckResult, ComparisonResult, Contender


def run_comparison(request: CompareRequest, observer: StudyObserver | None = None) -> ComparisonResult:
    """Measures given configs in turns on fresh servers.

    Returns:
        What was measured of each, in every round that was finished; `autotune.search.comparison.rank` compares them.

    Raises:
        UsageError: Bad input. Nothing was started or written.
    """
    return _compared(request, request.contenders(), observer)


def run_check(request: CheckRequest, observer: StudyObserver | None = None) -> CheckResult:
    """Compares the repository's config with a recorded one, both measured again in turns.

    Returns:
        The comparison and whether the config passed. The files of ``record`` and ``junit`` are written.

    Raises:
        UsageError: Bad input, or a baseline of another model or machine. Nothing was started or written.
    """
    allowed, path = request.allowed(), request.baseline_path()
    request.check_outputs()

    from autotune.report import find_format, junit_xml
    from autotune.repository import ConfigSet
    from autotune.search import BASELINE
    from autotune.search.comparison import CheckResult, read_baseline

    named = [request.repository_config()]
    baseline = read_baseline(path) if path is not None else None
    if baseline is not None:
        model = named[0].spec.name
        if baseline.model != model:
            raise UsageError(
                f"--baseline: {path} is of model {baseline.model!r}, not {model!r}; record one of that model"
            )
        configs = ConfigSet.parse(baseline.configs, str(path))
        named.append(replace(named[0], name=BASELINE, configs=configs))
    result = CheckResult(_compared(request, named, observer, baseline), allowed, baseline)
    comparison = result.comparison
    if comparison.interrupted:
        return result
    ours = replace(comparison, contenders=comparison.contenders[:1])
    if request.record is not None and ours.contenders[0].compared:
        Path(request.record).write_text(find_format("json").comparison(ours), encoding="utf-8")
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
    environment = environment_of(launcher, spec, named[0].composing)
    if baseline is not None and (differences := other_machine(baseline.environment, environment)):
        raise UsageError(
            f"--baseline: was recorded on another machine and is not comparable ({'; '.join(differences)});"
            " record one here with autotune check --record FILE"
        )
    config_notes = notes_on_configs(launcher, request.triton_arg, [config for each in named for config in each.configs])
    said = dict.fromkeys((why, *notes_on_named_configs((spec, *named[0].composing)), *config_notes))
    contenders: tuple[Contender, ...] = ()
    interrupted = False
    with (
        holding_machine(request, launcher, f"autotune compare --model {spec.name}"),
        closing(create_store(results, request.storage)) as store,
        ExitStack() as stack,
    ):
        create_directory(directory)
        for note in said:
            observer.note(note)
        remove_abandoned(directory)
        for deployment, _ in served.values():
            stack.enter_context(closing(deployment))
        logs = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"

        def save(name: str, number: int, outcome: TrialOutcome, probes: Sequence[Probe]) -> None:
            label = f"{name}, round {number}"
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
