"""The windows of a study's trials that execution times are learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

from autotune.measurement import Probe
from autotune.outcome import TrialOutcome
from autotune.prediction._service_times import Window
from autotune.repository import ModelConfig


def windows_of(outcomes: Sequence[TrialOutcome], trials: int) -> list[Window]:
    """The windows of the first so many measured trials, as far as their number of instances is known.

    A disturbed window is left out if the same load was measured again undisturbed.
    """
    windows = []
    measured = ((outcome, outcome.measurement) for outcome in outcomes if outcome.measurement is not None)
    for outcome, measurement in itertools.islice(measured, trials):
        config = config_of(outcome.config_text)
        instances = measurement.instances or config.instance_count
        delay_s = float(config.value("dynamic_batching.max_queue_delay_microseconds") or 0) / 1e6
        if instances:
            windows += [Window(instances, probe, delay_s) for probe in settled(measurement.probes)]
    return windows


def default_instances(outcomes: Sequence[TrialOutcome]) -> int:
    """How many instances Triton creates if the config does not say; 1 if no trial has shown it."""
    for outcome in outcomes:
        made = outcome.measurement.instances if outcome.measurement is not None else 0
        if made and not config_of(outcome.config_text).instance_count:
            return made
    return 1


def settled(probes: Sequence[Probe]) -> list[Probe]:
    """The windows without the disturbed ones whose load was measured again undisturbed."""
    calm = {_load(probe): index for index, probe in enumerate(probes) if not probe.invalid}
    return [probe for index, probe in enumerate(probes) if not probe.invalid or calm.get(_load(probe), -1) < index]


def _load(probe: Probe) -> tuple[str, bool, float]:
    """The load of a window, whatever the seed of its arrivals."""
    closed = probe.concurrency is not None
    return probe.purpose, closed, probe.concurrency or probe.asked_per_s


@lru_cache
def config_of(text: str) -> ModelConfig:
    """The config of a trial, parsed once."""
    return ModelConfig.parse(text, "trial")
