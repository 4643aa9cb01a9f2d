"""The models whose grids are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.objective import Ceiling, LoadName, Objective, parse_duration
from autotune.repository import ModelRepository, ModelSpec

REPOSITORY = Path(__file__).parents[2] / "model_repository"


@dataclass(frozen=True)
class Subject:
    """A model, its ceiling and, where it is the pretended accelerator, its timings.

    Attributes:
        name: The grid's name.
        model: The bundled model.
        p99: The ceiling on the 99th percentile, as a duration.
        timings_ms: Parameters of the model's config to milliseconds, or to milliseconds by batch size as the model
            reads them; those left out stay as they are.
        load: Whether arrivals are random or a closed loop's.
    """

    name: str
    model: str
    p99: str
    timings_ms: Mapping[str, float | str] = field(default_factory=dict)
    load: LoadName = "open"

    @property
    def objective(self) -> Objective:
        """The most inferences/s under the ceiling."""
        return Objective("throughput", (Ceiling("p99", parse_duration(self.p99, "--p99")),), load=self.load)

    def spec(self) -> ModelSpec:
        """The model with these timings."""
        spec = ModelRepository(REPOSITORY).model(self.model)
        config = spec.config
        for name, milliseconds in self.timings_ms.items():
            value = milliseconds if isinstance(milliseconds, str) else f"{milliseconds:g}"
            config = config.with_value(f"parameters.{name}", value)
        return replace(spec, config=config)


def _accelerator(name: str, p99: str, host: float, fixed: float, per_item: float) -> Subject:
    timings_ms = {"host_ms": host, "device_fixed_ms": fixed, "device_per_item_ms": per_item}
    return Subject(name, "accelerator", p99, timings_ms)


SUBJECTS = {
    each.name: each
    for each in (
        # As it comes; its best configs carry so much that client and server keep two cores busy.
        _accelerator("accelerator", "20ms", 0.5, 2.0, 0.1),
        # Instances work side by side for most of the time: their number matters as much as the batch.
        _accelerator("accelerator_host", "40ms", 6.0, 1.5, 0.2),
        # Almost all of an execution is the same for any batch: only the largest will do.
        _accelerator("accelerator_fixed", "60ms", 0.5, 12.0, 0.2),
        # The largest batches take so long that they hurt the ceiling.
        _accelerator("accelerator_slow", "30ms", 0.5, 4.0, 0.25),
        Subject("mnist", "mnist", "5ms"),
    )
}
"""By the name of the grid."""
