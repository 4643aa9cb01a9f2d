"""The models whose grids are recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from autotune.load import Traffic
from autotune.load.payload import parse_shape
from autotune.measurement import Deployment
from autotune.objective import Ceiling, LoadName, Objective, parse_duration
from autotune.prediction import Predictor
from autotune.repository import ConfigSet, ModelRepository, ModelSpec, RequestShapes, completed_config
from autotune.request import expected_payloads
from autotune.server import Launcher
from autotune.space import JointSpace, SearchSpace
from benchmarks.written_models import REPOSITORY, write_emulated, write_ensemble, write_network

SPACES = Path(__file__).parent / "spaces"
_STEPS = {
    "preprocess": {"host_ms": 8.0, "device_fixed_ms": 0.0, "device_per_item_ms": 0.0},
    "network": {"host_ms": 0.5, "device_fixed_ms": 2.0, "device_per_item_ms": 0.3},
}
_BATCHED = "dynamic_batching { }\n"
_LENGTHS, _REQUESTS = 4, 32
_DESCRIBED = ("name", "model", "p99", "timings_ms")
_IF_OTHER = {"load": "open", "shape": ""}


@dataclass(frozen=True)
class Subject:
    """A model, its ceiling and, where it is the pretended accelerator, its timings.

    Attributes:
        name: The grid's name.
        model: The bundled model, or one that `written_repository` writes.
        p99: The ceiling on the 99th percentile, as a duration.
        timings_ms: Parameters of the model's config to milliseconds, or to milliseconds by batch size as the model
            reads them; those left out stay as they are.
        load: Whether arrivals are random or a closed loop's.
        shape: Of the requests, as ``--shape`` has it; empty for the model's own.
        space: What is searched: a file of `SPACES`, without its ending.
        judges: Whether nothing is changed because of what studies find on its grid.
    """

    name: str
    model: str
    p99: str
    timings_ms: Mapping[str, float | str] = field(default_factory=dict)
    load: LoadName = "open"
    shape: str = ""
    space: str = "batching"
    judges: bool = False

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Subject:
        """The subject that a file describes, among other things."""
        return cls(**{name: described[name] for name in (*_DESCRIBED, *_IF_OTHER) if name in described})

    def described(self) -> dict[str, Any]:
        """What a file keeps of it."""
        other = {name: getattr(self, name) for name, usual in _IF_OTHER.items() if getattr(self, name) != usual}
        return {name: getattr(self, name) for name in _DESCRIBED} | {"timings_ms": dict(self.timings_ms)} | other

    @property
    def objective(self) -> Objective:
        """The most inferences/s under the ceiling."""
        return Objective("throughput", (Ceiling("p99", parse_duration(self.p99, "--p99")),), load=self.load)

    @cached_property
    def models(self) -> tuple[ModelSpec, ...]:
        """The model with these timings, and the models that it needs."""
        repository = ModelRepository(written_repository(self.model) or REPOSITORY)
        spec = repository.model(self.model)
        config = spec.config
        for name, milliseconds in self.timings_ms.items():
            value = milliseconds if isinstance(milliseconds, str) else f"{milliseconds:g}"
            config = config.with_value(f"parameters.{name}", value)
        steps = _STEPS if self.model == "two_steps" else ()
        return replace(spec, config=config), *(repository.model(each) for each in steps)

    @property
    def spec(self) -> ModelSpec:
        """The model that is asked."""
        return self.models[0]

    @cached_property
    def base(self) -> ConfigSet:
        """The configs that candidates change."""
        return ConfigSet(tuple(completed_config(each) for each in self.models))

    @property
    def written(self) -> ConfigSet:
        """The configs as they are."""
        return ConfigSet(tuple(each.config for each in self.models))

    @property
    def traffic(self) -> Traffic:
        """What is sent."""
        return Traffic(payloads=_REQUESTS, shapes=dict([parse_shape(self.shape)])) if self.shape else Traffic()

    @cached_property
    def requests(self) -> RequestShapes:
        """The shapes of the requests that are sent in turn."""
        payloads = expected_payloads(self.spec, self.spec.config, self.traffic)
        return RequestShapes(payload.shapes for payload in payloads)

    def space_of(self, text: str, source: str) -> JointSpace:
        """The part of a space that the models have."""
        return JointSpace.of(SearchSpace.parse(text, source), self.models)[0]

    def deployment(self, launcher: Launcher, directory: Path) -> Deployment:
        """Serves its configs."""
        return Deployment(self.spec, launcher, directory, self.traffic, self.models[1:])

    def predictor(self, space: JointSpace) -> Predictor:
        """What forecasts the configs of a space."""
        if space.only:
            return Predictor.of_model(space.only, self.base.asked, self.objective, requests=self.requests)
        return Predictor.of_pipeline(space, self.base, self.objective, requests=self.requests)


@cache
def written_repository(model: str) -> Path | None:
    """The repository of a model that has to be written, which lives as long as this process; None for a bundled one."""
    if model not in ("lengths", "network", "two_steps"):
        return None
    directory = Path(_temporary().name) / model
    directory.mkdir()
    if model == "lengths":
        write_emulated(directory, {model: {}}, _BATCHED, length=-1)
    elif model == "network":
        write_network(directory, model, max_batch_size=8)
    else:
        write_emulated(directory, _STEPS, _BATCHED)
        write_ensemble(directory, model, tuple(_STEPS), max_batch_size=1)
    return directory


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="replay-models-")


def _accelerator(name: str, p99: str, host: float, fixed: float, per_item: float) -> Subject:
    timings_ms = {"host_ms": host, "device_fixed_ms": fixed, "device_per_item_ms": per_item}
    return Subject(name, "accelerator", p99, timings_ms)


SUBJECTS = {
    each.name: each
    for each in (
        # The bundled timings: at the rates of its best configs client and server keep two cores busy.
        _accelerator("accelerator", "20ms", 0.5, 2.0, 0.1),
        # Instances work side by side for most of the time: their number matters as much as the batch.
        _accelerator("accelerator_host", "40ms", 6.0, 1.5, 0.2),
        # Almost all of an execution is the same for any batch: only the largest will do.
        _accelerator("accelerator_fixed", "60ms", 0.5, 12.0, 0.2),
        # The largest batches take so long that they hurt the ceiling.
        _accelerator("accelerator_slow", "30ms", 0.5, 4.0, 0.25),
        Subject("mnist", "mnist", "5ms"),
        # Instances and their threads share the cores.
        Subject("mnist_threads", "mnist", "5ms", space="threads"),
        Subject("network_threads", "network", "40ms", space="threads", judges=True),
        # Each step has a config of its own: instances help the first, which waits, and not the second's device.
        Subject("two_steps", "two_steps", "40ms", space="two_steps", judges=True),
        # Requests of other lengths wait for each other, unless batches may be ragged.
        Subject("lengths", "lengths", "30ms", shape=f"input:uniform(1,{_LENGTHS})", space="lengths"),
    )
}
"""By the name of the grid. The devices of `benchmarks.replay._devices` are recorded too."""
