"""The windows of a study's trials that execution times are learnt from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

from autotune.measurement import Probe
from autotune.outcome import TrialOutcome
from autotune.prediction._service_times import Window
from autotune.repository import ModelConfig

_ENOUGH = 30  # trials; more would teach hardly more, and take longer to learn from than a trial takes


def windows_of(outcomes: Sequence[TrialOutcome]) -> list[Window]:
    """The windows of the first trials whose instances are known; of those that were run again, as something disturbed
    them, the last ones.
    """
    windows = []
    measured = (outcome for outcome in outcomes if outcome.measurement is not None)
    for outcome in itertools.islice(measured, _ENOUGH):
        measurement = outcome.measurement
        assert measurement is not None  # noqa: S101 - filtered above
        config = _config(outcome.config_text)
        instances = measurement.instances or config.instance_count
        delay_s = float(config.value("dynamic_batching.max_queue_delay_microseconds") or 0) / 1e6
        if instances:
            windows += [Window(instances, probe, delay_s) for probe in _settled(measurement.probes)]
    return windows


def default_instances(outcomes: Sequence[TrialOutcome]) -> int:
    """How many instances Triton makes of the model where its config does not say; 1 where no trial showed it."""
    for outcome in outcomes:
        made = outcome.measurement.instances if outcome.measurement is not None else 0
        if made and not _config(outcome.config_text).instance_count:
            return made
    return 1


def _settled(probes: Sequence[Probe]) -> list[Probe]:
    """The windows without those that something disturbed and whose like was run later without."""
    calm = {_load(probe): index for index, probe in enumerate(probes) if not probe.invalid}
    return [probe for index, probe in enumerate(probes) if not probe.invalid or calm.get(_load(probe), -1) < index]


def _load(probe: Probe) -> tuple[str, bool, float]:
    """What a window offered, whatever its arrivals were."""
    closed = probe.concurrency is not None
    return probe.purpose, closed, probe.concurrency or probe.asked_per_s


@lru_cache(maxsize=4 * _ENOUGH)
def _config(text: str) -> ModelConfig:
    """The config of a trial, parsed once."""
    return ModelConfig.parse(text, "trial")
