"""``autotune compare`` and ``autotune check``: given configs, measured in turns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.objective import Objective, parse_duration, parse_objective, parse_percent
from autotune.request._arrivals import ArrivalsRequest
from autotune.request._measurement import MeasurementRequest
from autotune.request._model import ModelRequest
from autotune.request._option import AT_LEAST_ONE, CONCURRENCIES, RATES, Allowed, Panel, option
from autotune.request._server import ServerRequest
from autotune.request._slo import SloRequest
from autotune.request._store import StoreRequest
from autotune.request._traffic import TrafficRequest

if TYPE_CHECKING:
    from autotune.load import Schedule
    from autotune.repository import ConfigSet, ModelSpec

_VERSION = re.compile(r"[1-9]\d*")
_REPOSITORY = "repository"  # the name of the config that the model repository has


@dataclass(frozen=True)
class Named:
    """A config to compare.

    Attributes:
        name: Unique in the comparison.
        spec: Its model.
        composing: The models that it needs.
        configs: Its config, and those of the models that it needs.
    """

    name: str
    spec: ModelSpec
    composing: tuple[ModelSpec, ...]
    configs: ConfigSet


@dataclass(frozen=True, kw_only=True)
class ComparisonRequest(
    SloRequest, ModelRequest, MeasurementRequest, ArrivalsRequest, TrafficRequest, ServerRequest, StoreRequest
):
    """What both commands share: the load and the number of rounds."""

    concurrency: int | None = option(
        None, "N", "Compare at this number of outstanding requests.", panel=Panel.LOAD, allowed=CONCURRENCIES
    )
    rate: float | None = option(
        None,
        "R",
        "Compare latencies at this rate, in inferences/s.",
        panel=Panel.LOAD,
        allowed=RATES,
    )
    duration: str | None = option(
        None, "DURATION", "Length of each window of --concurrency or --rate; 3s by default.", panel=Panel.LOAD
    )
    batch_size: int = option(1, "N", "Inferences in one request.", panel=Panel.LOAD, allowed=AT_LEAST_ONE)
    rounds: int = option(
        5,
        "N",
        "Measurements of each config, each on a fresh server.",
        panel=Panel.LOAD,
        allowed=Allowed(lambda value: value >= 2, "2 or more, because one round has no interval"),
    )

    def duration_s(self) -> float | None:
        """Seconds of each window at a given load; None for the default."""
        return parse_duration(self.duration, "--duration") if self.duration is not None else None

    def loads(self) -> Sequence[Schedule]:
        """The load to compare at; empty if the highest rate under the ceilings is compared.

        Raises:
            UsageError: Neither a load nor a ceiling is given, or options do not go together.
        """
        from autotune.measurement import schedules

        closed = self.load == "closed" or self.concurrency is not None
        client_s = self.client_s(closed=closed, remedy="--concurrency N")
        loads = schedules(
            self.concurrency,
            self.rate,
            arrivals=self.spacing(),
            seed=self.seed,
            batch_size=self.batch_size,
            client_s=client_s,
        )
        if not loads and not self.ceilings():
            raise UsageError("--p99: nothing says what to compare; add --p99 5ms, --concurrency 8 or --rate 500")
        if loads and self.load != "open":
            raise UsageError(f"--load: {self.load} searches the load; drop it, or --concurrency and --rate")
        return loads

    def load_words(self) -> str:
        """The load in words, such as ``concurrency 8``."""
        if self.concurrency is not None:
            return f"concurrency {self.concurrency}"
        if self.rate is not None:
            return f"rate {self.rate:g}/s"
        return f"the highest {'concurrency' if self.load == 'closed' else 'rate'} that meets the SLO"

    def goal(self) -> Objective:
        """What is searched if no load is given; raises `UsageError` if the options do not go together."""
        client_s = self.client_s(closed=self.load == "closed", remedy="--load closed")
        return parse_objective(
            "throughput", self.ceilings(), load=self.load, client_s=client_s, arrivals=self.spacing()
        )

    def repository_config(self) -> Named:
        """The model as the repository has it."""
        spec, composing = self.find_model(self.triton_arg)
        return _named(_REPOSITORY, spec, composing)


@dataclass(frozen=True, kw_only=True)
class CompareRequest(ComparisonRequest):
    """A comparison: each field is the option of ``autotune compare`` of that name."""

    configs: Sequence[str] = option(
        (),
        "CONFIG...",
        "Config files, model directories or repositories; one is compared with the repository's.",
        panel=Panel.MODEL,
        argument=True,
    )

    def contenders(self) -> list[Named]:
        """The configs to compare, at least two.

        Raises:
            UsageError: Too few, the same twice, or one that cannot be read or is of another model.
        """
        given = self.configs
        if not given:
            raise UsageError("CONFIG: nothing is given to compare; name two config files, or one and --model NAME")
        if doubled := next((each for each in given if given.count(each) > 1), None):
            raise UsageError(f"CONFIG: {doubled} is given twice; name each config once")
        own = [self.repository_config()] if len(given) == 1 else []
        short = [Path(each).name or each for each in given]
        names = short if len(set(short)) == len(short) else given
        return [*own, *(self._contender(name, Path(each)) for name, each in zip(names, given, strict=True))]

    def _in_directory(self, path: Path) -> tuple[ModelSpec, tuple[ModelSpec, ...]]:
        if (path / "config.pbtxt").is_file() or any(_VERSION.fullmatch(each.name) for each in path.iterdir()):
            where = path.absolute()
            return self.changed(model_repository=where.parent, model=where.name).find_model()
        return self.changed(model_repository=path).find_model(self.triton_arg)

    def _contender(self, name: str, path: Path) -> Named:
        """A file is a config for ``--model``; a directory is a model with its own files, or a repository."""
        if path.is_dir():
            try:
                return _named(name, *self._in_directory(path))
            except UsageError as error:
                raise UsageError(str(error).replace("--model-repository: ", "CONFIG: ", 1)) from None
        from autotune.reading import Unreadable, read_text
        from autotune.repository import ModelConfig

        spec, composing = self.find_model(self.triton_arg)
        try:
            config = ModelConfig.parse(read_text(path), str(path))
        except Unreadable as error:
            raise UsageError(f"CONFIG: cannot read {path}: {error}") from None
        if config.name not in ("", spec.name):
            raise UsageError(f"CONFIG: {path} is of model {config.name!r}, not {spec.name!r}; name its --model")
        return _named(name, replace(spec, config=config.with_value("name", spec.name), has_config=True), composing)


@dataclass(frozen=True, kw_only=True)
class CheckRequest(ComparisonRequest):
    """A check against a recorded config: each field is the option of ``autotune check`` of that name."""

    baseline: str | Path | None = option(
        None,
        "FILE",
        "File of compare --json or check --record; its fastest config is the baseline.",
        panel=Panel.OBJECTIVE,
    )
    fail_if_slower: str = option(
        "5%", "PERCENT", "Fail if the config is slower than the baseline by more than this.", panel=Panel.OBJECTIVE
    )
    record: str | Path | None = option(
        None, "FILE", "Write the measured config to this file, for a later --baseline.", panel=Panel.OUTPUT
    )
    junit: str | Path | None = option(None, "FILE", "Write the outcome as JUnit XML too.", panel=Panel.OUTPUT)

    def allowed(self) -> float:
        """The fraction by which the config may be slower; raises `UsageError` if it cannot be read."""
        return parse_percent(self.fail_if_slower, "--fail-if-slower")

    def baseline_path(self) -> Path | None:
        """The recorded file; None if the config is only recorded.

        Raises:
            UsageError: Neither a baseline nor a file to record is given.
        """
        if self.baseline is None and self.record is None:
            raise UsageError("--baseline: is missing; name a recorded file, or record one with --record FILE")
        return Path(self.baseline) if self.baseline is not None else None

    def check_outputs(self) -> None:
        """Raises `UsageError` if a file cannot be written."""
        for flag, given in (("--record", self.record), ("--junit", self.junit)):
            if given is None:
                continue
            replaceable = not Path(given).exists() or Path(given).is_file() or Path(given).is_char_device()
            if not replaceable or not Path(given).absolute().parent.is_dir():
                raise UsageError(f"{flag}: cannot write {given}; name a file in a directory that exists")


def _named(name: str, spec: ModelSpec, composing: tuple[ModelSpec, ...]) -> Named:
    from autotune.repository import ConfigSet

    written = [each.config for each in composing if each.has_config]
    return Named(name, spec, composing, ConfigSet.of(spec.config, *written))
