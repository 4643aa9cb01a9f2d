"""One config under load, checked before anything is started."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.api._machine import create_directory, environment_of, holding_machine, remove_abandoned
from autotune.api._notes import notes_on_configs, notes_on_named_configs
from autotune.api._studies import create_store
from autotune.errors import UsageError
from autotune.request import (
    MeasureRequest,
    expected_payloads,
)

if TYPE_CHECKING:
    from autotune.load import Schedule, Traffic
    from autotune.measurement import Deployment, MeasureOptions, SweepResult
    from autotune.objective import Ceiling, Objective
    from autotune.repository import ConfigSet, ModelSpec
    from autotune.search import StudyObserver
    from autotune.server import Launcher


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
    ready = prepare(request)
    request, spec, beside, launcher = ready.request, ready.spec, ready.composing, ready.launcher
    ceilings, duration_s, options, loads = ready.ceilings, ready.duration_s, ready.options, ready.loads
    models = ", ".join(request.shares()) or spec.name
    results = request.writable_directory()
    directory = results / "measurements"
    deployment = ready.deployment(directory)
    log_path = directory / f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    with (
        holding_machine(request, launcher, f"autotune measure --model {models}"),
        closing(create_store(results, request.storage)) as store,
        closing(deployment),
    ):
        create_directory(directory)
        for note in ready.notes:
            observer.note(note)
        remove_abandoned(directory)
        observer.study_started(f"measuring {models}", 0, sum(map(len, loads.values())) or None)
        outcome, probes, failure = measure_config(
            deployment, ready.configs, log_path, ready.objective, options, loads, duration_s, ceilings, observer
        )
        if probes or outcome.message:
            store.save_run(
                model=models,
                label=str(request.model_config or BASELINE),
                outcome=outcome,
                environment=environment_of(launcher, spec, beside),
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


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A measurement after all checks; nothing is started yet.

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


def prepare(
    request: MeasureRequest,
    change: Callable[[ConfigSet, Sequence[ModelSpec]], ConfigSet] = lambda configs, specs: configs,
) -> Ready:
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
    notes = [*translated, why, *notes_on_named_configs((spec, *composing))]
    notes += notes_on_configs(launcher, request.triton_arg, list(served.values()))
    if left_out:
        skipped = ", ".join(map(str, left_out))
        most = config.max_batch_size
        notes.append(f"--scenario {request.scenario}: batches of {skipped} are left out; max_batch_size is {most}")
    return Ready(
        request=request,
        spec=spec,
        composing=composing,
        configs=configs,
        traffics=traffics,
        loads=loads,
        objective=objective,
        ceilings=ceilings,
        options=options,
        duration_s=duration_s,
        launcher=launcher,
        notes=tuple(notes),
    )
