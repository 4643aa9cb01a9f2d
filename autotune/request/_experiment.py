"""``autotune experiment``: variants of a config or of models, measured under the loads of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.request._experiment_file import Change, ExperimentFile, Given, Part, read_experiment
from autotune.request._measure import MeasureRequest
from autotune.request._measurement import MeasurementRequest
from autotune.request._option import Panel, Request, listed, option, option_of
from autotune.request._server import ServerRequest
from autotune.request._store import StoreRequest

if TYPE_CHECKING:
    from autotune.load import Schedule
    from autotune.repository import ConfigSet, ModelSpec

QUICK_WINDOW = "300ms"
"""Length of each window of ``--quick``: long enough for a few answers of a slow model (a guess)."""

VERDICTS = ("throughput", "p50", "p90", "p95", "p99", "avg", "none")
"""What may decide between variants."""

_FLAG = re.compile(r"--([a-z0-9-]+): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """One variant asked by one client: a measurement with a name.

    Attributes:
        name: Unique in the experiment, such as ``plain`` or ``plain (grpc)``.
        variant: The variant's name.
        client: The client's name; empty if the file names none.
        request: Its measurement.
        changes: The fields that it changes.
        places: Where the file gives the request's options.
        file: The file.
    """

    name: str
    variant: str
    client: str
    request: MeasureRequest
    changes: tuple[Change, ...]
    places: Mapping[str, Given]
    file: Path

    def described(self) -> tuple[str, ...]:
        """What its variant says of the config, a line each."""
        config = self.request.model_config
        return (*([f"config: {Path(config).name}"] if config is not None else ()), *map(str, self.changes))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Names the file and the key instead of the flag, with the line where the file gives the option."""
        try:
            yield
        except UsageError as error:
            found = _FLAG.fullmatch(str(error))
            name = found[1].replace("-", "_") if found else ""
            if found is not None and name in self.places:
                given = self.places[name]
                raise given.node.error(f"{given.key}: {found[2]}") from error
            if found is not None and name not in _OF_THE_COMMAND:
                raise UsageError(f"{self.file}: {self.name}: {name}: {found[2]}") from error
            raise

    def applied(self, configs: ConfigSet, specs: Sequence[ModelSpec]) -> ConfigSet:
        """The configs with the fields that the variant changes.

        Args:
            configs: The config of the model that gets the requests, and those that the models it needs have.
            specs: That model, then those that it needs.

        Raises:
            UsageError: A field or a model that is not there; names file and line.
        """
        from autotune.repository import ConfigSet

        own = specs[0].name
        if configs.asked.name not in ("", own):
            words = f"--model-config: is of model {configs.asked.name!r}, not {own!r}; name its model, or another file"
            raise UsageError(words)
        changed = {own: configs.asked.with_value("name", own), **{each.name: each for each in configs.configs[1:]}}
        known = {each.name: each for each in specs}
        for change in self.changes:
            model = change.model or own
            if model not in known:
                names = ", ".join(known)
                raise change.node.error(f"{self._key(change)}: {model!r} is not served here; it is one of {names}")
            config = changed.get(model, known[model].config)
            try:
                changed[model] = (
                    config.without(change.path)
                    if change.value is None
                    else config.with_value(change.path, change.value)
                )
            except UsageError as error:
                raise change.node.error(f"variants.{self.variant}.changes: {error}") from error
        return ConfigSet.of(*changed.values())

    def _key(self, change: Change) -> str:
        return f"variants.{self.variant}.changes.{change.model}/{change.path}"


@dataclass(frozen=True)
class _FileRequest(Request):
    """The experiment that is meant."""

    file: str | Path | None = option(None, "FILE", "The experiment's YAML file.", panel=Panel.MODEL, argument=True)


@dataclass(frozen=True, kw_only=True)
class ExperimentRequest(_FileRequest, ServerRequest, StoreRequest):
    """An experiment: each field is the option of ``autotune experiment`` of that name."""

    variants: Sequence[str] = option(
        (), "NAME[,NAME]", "Only these variants of the file; may be repeated.", panel=Panel.MODEL
    )
    quick: bool = option(
        False, "", "Try the file: one round, short windows, only the first and last loads.", panel=Panel.LOAD
    )
    share_machine: bool = option_of(MeasurementRequest, "share_machine")

    def read(self) -> ExperimentFile:
        """The file; raises `UsageError` if it is missing or wrong."""
        if self.file is None:
            raise UsageError("FILE: is missing; name an experiment file, such as those in examples/")
        return read_experiment(Path(self.file))

    def entries(self, file: ExperimentFile) -> list[Entry]:
        """Each chosen variant with each client, in the file's order.

        Raises:
            UsageError: A chosen variant that the file does not have, or options that do not go together.
        """
        chosen = listed(self.variants)
        known = [each.name for each in file.variants]
        if wrong := next((name for name in chosen if name not in known), None):
            raise UsageError(f"--variants: {file.path} has no variant {wrong!r}; it has {', '.join(known)}")
        variants = [each for each in file.variants if not chosen or each.name in chosen]
        return [self._entry(file, variant, client) for variant in variants for client in file.clients]

    def _entry(self, file: ExperimentFile, variant: Part, client: Part) -> Entry:
        places = {**file.options, **client.options, **variant.options}
        options: dict[str, Any] = {name: given.value for name, given in places.items()}
        ours = {each.name for each in fields(self)} & {each.name for each in fields(MeasureRequest)}
        options |= {name: getattr(self, name) for name in ours & self.given}
        if self.quick:
            options["duration"] = QUICK_WINDOW
        name = f"{variant.name} ({client.name})" if len(file.clients) > 1 else variant.name
        return Entry(name, variant.name, client.name, MeasureRequest(**options), variant.changes, places, file.path)

    def statistic(self, file: ExperimentFile, entries: Sequence[Entry]) -> str | None:
        """The latency statistic that decides; empty if more inferences/s are better; None if nothing is compared.

        At a given rate it is the first ceiling's, or the p99, else inferences/s.

        Raises:
            UsageError: The file's verdict is unknown.
        """
        if file.verdict is None:
            asked = entries[0].request
            with entries[0].errors():
                ceilings = asked.ceilings()
            if asked.rate is None and asked.trace is None:
                return ""
            return ceilings[0].statistic if ceilings else "p99"
        if file.verdict not in VERDICTS:
            raise file.error("verdict", f"{file.verdict!r} is unknown; use {', '.join(VERDICTS)}")
        return {"throughput": "", "none": None}.get(file.verdict, file.verdict)

    def rounds(self, file: ExperimentFile) -> int:
        """How often each entry is measured."""
        return 1 if self.quick else file.rounds

    def shortened(self, loads: Mapping[int, Sequence[Schedule]]) -> Mapping[int, Sequence[Schedule]]:
        """The loads; of a quick experiment only the first and the last of the first and the last batch size."""
        if not self.quick:
            return loads
        sizes = list(loads)
        return {size: _ends(loads[size]) for size in _ends(sizes)}


_OF_THE_COMMAND = {each.name for each in fields(ExperimentRequest)}


def _ends(values: Sequence[Any]) -> list[Any]:
    return [*values[:1], *values[-1:]] if len(values) > 1 else list(values)
