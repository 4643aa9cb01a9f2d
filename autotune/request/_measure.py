"""``autotune measure``: one config under given loads, or its sustainable rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.arrivals import POISSON
from autotune.errors import UsageError
from autotune.objective import Objective, format_duration, parse_duration, parse_objective
from autotune.request._arrivals import ArrivalsRequest
from autotune.request._measurement import MeasurementRequest
from autotune.request._models import ModelsRequest
from autotune.request._option import Panel, option
from autotune.request._perf_analyzer import read_perf_analyzer
from autotune.request._scenario import scenario_options
from autotune.request._server import ServerRequest
from autotune.request._store import StoreRequest

if TYPE_CHECKING:
    from autotune.load import Schedule
    from autotune.repository import ModelConfig, ModelSpec


@dataclass(frozen=True, kw_only=True)
class MeasureRequest(ModelsRequest, MeasurementRequest, ArrivalsRequest, ServerRequest, StoreRequest):
    """A measurement: each field is the option of ``autotune measure`` of that name. Durations are texts."""

    scenario: str | None = option(
        None,
        "offline|online",
        "Offline: batches 1 to 64 through shared memory; online: concurrency 8 to 256.",
        panel=Panel.LOAD,
    )
    concurrency: str | int | None = option(
        None, "N|START:END[:STEP][,...]", "Closed loop: number of outstanding requests.", panel=Panel.LOAD
    )
    rate: str | float | None = option(
        None, "R|START:END[:STEP][,...]", "Open loop: inferences/s offered.", panel=Panel.LOAD
    )
    time_budget: str = option(
        "1h", "DURATION", "Most time for all given loads together; more is refused.", panel=Panel.LOAD
    )
    duration: str | None = option(
        None,
        "DURATION",
        "Length of each window; by default 3s, or the trace's own.",
        panel=Panel.LOAD,
    )
    batch_size: str | int = option(
        1, "N|START:END[:STEP][,...]", "Inferences in one request; each size is offered each load.", panel=Panel.LOAD
    )
    from_perf_analyzer: str | None = option(
        None, "COMMAND", "perf_analyzer command line whose options to use; flags win.", panel=Panel.LOAD
    )
    model_config: str | Path | None = option(
        None, "FILE", "Measure this config.pbtxt instead of the repository's.", panel=Panel.MODEL
    )

    def config(self, spec: ModelSpec) -> ModelConfig:
        """The config to measure; raises `UsageError` if its file cannot be read or parsed."""
        from autotune.reading import Unreadable, read_text
        from autotune.repository import ModelConfig

        if self.model_config is None:
            return spec.config
        path = Path(self.model_config)
        try:
            config = ModelConfig.parse(read_text(path), str(path))
        except Unreadable as error:
            raise UsageError(f"--model-config: cannot read {path}: {error}") from None
        if config.name not in ("", spec.name):
            raise UsageError(f"--model-config: {path} is of model {config.name!r}, not {spec.name!r}; name its --model")
        return config.with_value("name", spec.name)

    def duration_s(self) -> float | None:
        """Seconds of each window; None for the default."""
        return parse_duration(self.duration, "--duration") if self.duration is not None else None

    def completed(self) -> tuple[MeasureRequest, tuple[str, ...]]:
        """This request with the options of its scenario or perf_analyzer command, and notes on how that was read.

        Options that were given win.

        Raises:
            UsageError: No such scenario or command, or loads beside it.
        """
        if self.scenario is not None and self.from_perf_analyzer is not None:
            raise UsageError("--from-perf-analyzer: --scenario has loads of its own; give one of them")
        loads = [flag for flag in ("concurrency", "rate", "trace") if getattr(self, flag) is not None]
        if self.scenario is not None:
            if other := [flag for flag in loads if flag != "concurrency"]:
                raise UsageError(f"--{other[0]}: --scenario {self.scenario} has loads of its own; give one of them")
            return self.completed_with(scenario_options(self.scenario)), ()
        if self.from_perf_analyzer is None:
            return self, ()
        translation = read_perf_analyzer(self.from_perf_analyzer)
        if loads:
            for name in ("concurrency", "rate", "trace"):
                translation.options.pop(name, None)
        return self.completed_with(translation.options), tuple(translation.notes(self.given))

    def batch_sizes(self) -> tuple[int, ...]:
        """Inferences of a request, each size to be measured; raises `UsageError` if they cannot be read."""
        from autotune.measurement import parse_sweep

        return tuple(map(int, parse_sweep(str(self.batch_size), "--batch-size", whole=True)))

    def batch_sizes_for(self, config: ModelConfig) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The sizes that the config takes, and those that a scenario asks for in vain.

        Raises:
            UsageError: The sizes cannot be read.
        """
        sizes, largest = self.batch_sizes(), max(1, config.max_batch_size)
        if self.scenario is None or str(self.batch_size) != scenario_options(self.scenario)["batch_size"]:
            return sizes, ()
        return tuple(size for size in sizes if size <= largest), tuple(size for size in sizes if size > largest)

    def loads(self, sizes: Sequence[int] = ()) -> Mapping[int, Sequence[Schedule]]:
        """The loads to measure under by batch size; empty if the sustainable rate under the ceilings is to be found.

        One request at a time if neither loads nor ceilings are given.

        Args:
            sizes: The batch sizes; by default those that were asked for.

        Raises:
            UsageError: A load that cannot be read, or options that do not go together.
        """
        sizes = sizes or self.batch_sizes()
        loads = {size: each for size in sizes if (each := self._loads_of(size))}
        if not loads and len(sizes) > 1:
            raise UsageError(f"--batch-size: {self.batch_size} needs loads such as --concurrency 1; add them")
        if loads and self.load != "open":
            raise UsageError(
                f"--load: {self.load} needs ceilings such as --p99 5ms, and none of --concurrency, --rate and --trace"
            )
        self._check_time([load for each in loads.values() for load in each])
        return loads

    def _loads_of(self, size: int) -> Sequence[Schedule]:
        from autotune.load import ClosedLoop
        from autotune.measurement import schedules

        loads = schedules(
            self.concurrency,
            self.rate,
            self.recording(),
            arrivals=self.spacing() if self.trace is None else POISSON,
            seed=self.seed,
            batch_size=size,
            client_s=self._think_time_s(),
        )
        return loads if loads or self.ceilings() else (ClosedLoop(1),)

    def _check_time(self, loads: Sequence[Schedule]) -> None:
        """Raises `UsageError` if the loads take longer than the time budget; names a trace's length and unit."""
        from autotune.load import TRACE_UNITS
        from autotune.measurement import MeasureOptions

        budget_s, duration_s = parse_duration(self.time_budget, "--time-budget"), self.duration_s()
        seconds = sum(duration_s or load.length_s or MeasureOptions().sweep_s for load in loads)
        if seconds <= budget_s:
            return
        if self.trace is None:
            raise UsageError(
                f"--time-budget: the {len(loads)} loads take {_long(seconds)}, over the budget of {_long(budget_s)};"
                " give fewer loads, a shorter --duration or a longer --time-budget"
            )
        if duration_s is not None:
            raise UsageError(f"--duration: {_long(duration_s)} is over --time-budget {_long(budget_s)}; give more time")
        unit = TRACE_UNITS[self.trace_unit][0]
        raise UsageError(
            f"--trace: {self.trace} takes {_long(seconds)} if its numbers are {unit}, over --time-budget"
            f" {_long(budget_s)}; say --trace-unit if they are something else (perf_analyzer's intervals are us), or"
            " replay its beginning with --duration"
        )

    def goal(self) -> Objective:
        """What is looked for if no load is given; raises `UsageError` if the options do not go together."""
        client_s = self._think_time_s()
        return self.jointly(
            parse_objective("throughput", self.ceilings(), load=self.load, client_s=client_s, arrivals=self.spacing())
        )

    def _think_time_s(self) -> float:
        closed = self.load == "closed" or self.concurrency is not None
        return self.client_s(closed=closed, remedy="--concurrency N")


def _long(seconds: float) -> str:
    """A duration that may be of days."""
    for unit, scale in ((" days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= scale:
            return f"{round(seconds / scale, 1):,g}{unit}"
    return format_duration(seconds)
