"""``autotune run`` and ``autotune.tune``: one study."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.arrivals import POISSON
from autotune.errors import UsageError
from autotune.objective import (
    Objective,
    format_duration,
    format_size,
    parse_duration,
    parse_objective,
    parse_percent,
    parse_size,
)
from autotune.request._arrivals import ArrivalsRequest
from autotune.request._executor import ExecutorRequest
from autotune.request._measurement import MeasurementRequest
from autotune.request._model_analyzer import SERVER_OPTIONS, read_model_analyzer
from autotune.request._models import ModelsRequest
from autotune.request._option import AT_LEAST_ONE, AT_LEAST_ZERO, Allowed, Panel, listed, option
from autotune.request._server import ServerRequest
from autotune.request._store import StoreRequest
from autotune.request._translation import Translation

if TYPE_CHECKING:
    from autotune.space import SearchSpace

DEFAULT_TRIALS = 20
_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class RunRequest(ModelsRequest, MeasurementRequest, ArrivalsRequest, ServerRequest, ExecutorRequest, StoreRequest):
    """A study: each field is the option of ``autotune run`` of that name. Durations are texts such as ``"5ms"``."""

    objective: str = option(
        "throughput",
        "throughput|latency|goodput|memory",
        "What to optimise; several with commas, such as throughput,p99, give a Pareto front.",
        panel=Panel.OBJECTIVE,
    )
    min_throughput: float | None = option(
        None,
        "RATE",
        "Inferences/s to offer; with --objective latency, goodput or memory.",
        panel=Panel.OBJECTIVE,
        aliases=("--rate",),
    )
    goodput: str | None = option(
        None,
        "DURATION",
        "Latency within which an answer counts; with --objective goodput.",
        panel=Panel.OBJECTIVE,
    )
    within: str | None = option(
        None,
        "PERCENT",
        "Deliver the fewest instances that come within this of the best config, such as 5%.",
        panel=Panel.OBJECTIVE,
    )
    max_memory: str | None = option(
        None, "SIZE", "Most memory of the server, such as 2g or 512m.", panel=Panel.OBJECTIVE
    )
    max_gpu_memory: str | None = option(None, "SIZE", "Most GPU memory in use, such as 4g.", panel=Panel.OBJECTIVE)
    trials: int | None = option(
        None,
        "N",
        f"Trials of the whole study; {DEFAULT_TRIALS} if no time budget is given.",
        panel=Panel.SEARCH,
        allowed=AT_LEAST_ONE,
    )
    time_budget: str | None = option(None, "DURATION", "Wall time to spend, such as 10m.", panel=Panel.SEARCH)
    search_space: str | Path | None = option(
        None, "FILE", "YAML file of the parameters to search; a built-in space by default.", panel=Panel.SEARCH
    )
    from_model_analyzer: str | Path | None = option(
        None, "FILE", "Model Analyzer YAML file whose options to use; flags win.", panel=Panel.SEARCH
    )
    sampler: str = option(
        "model", "model|tpe|random|grid|gp", "How configs are proposed; model simulates Triton.", panel=Panel.SEARCH
    )
    min_gain: float = option(
        0.02,
        "FRACTION",
        "Smallest gain over the best config that is worth another trial.",
        panel=Panel.SEARCH,
        allowed=Allowed(lambda value: 0 <= value < 1, "a fraction from 0 to below 1, such as 0.02 for 2%"),
    )
    final_rounds: int = option(
        3,
        "N",
        "Most rounds of the final comparison, twice as many while undecided; 0 for none.",
        panel=Panel.SEARCH,
        allowed=AT_LEAST_ZERO,
    )
    allow_batching: bool = option(
        False, "", "Search batching although the config says max_batch_size: 0.", panel=Panel.SEARCH
    )
    check_outputs: str = option(
        "always",
        "always|never",
        "Reject configs whose batched answers differ from those of single requests.",
        panel=Panel.SEARCH,
    )
    cold_start: bool = option(False, "", "Ignore earlier studies of this model in the database.", panel=Panel.SEARCH)
    all: bool = option(False, "", "Tune every model of the repository, one after the other.", panel=Panel.MODEL)
    each: Sequence[str] = option(
        (), "NAME[,NAME]", "Tune these models, one after the other; may be repeated.", panel=Panel.MODEL
    )
    study: str | None = option(None, "NAME", "Name of the study; the same name resumes it.", panel=Panel.SEARCH)
    mlflow: str | None = option(
        None, "URI", "MLflow server that gets the result, such as http://127.0.0.1:5000.", panel=Panel.OUTPUT
    )

    def several(self) -> str:
        """The flag that asks for several studies; empty for one study."""
        flags = {"--all": self.all, "--each": self.each, "--per-hardware": self.per_hardware}
        return next((flag for flag, given in flags.items() if given), "")

    def fleet(self) -> tuple[tuple[str, int], ...]:
        """The models that are tuned one after the other, with the bytes of their files; none if one model is tuned.

        With ``all`` those that are steps of an ensemble are left out: they are tuned with it.

        Raises:
            UsageError: Options that name one model or one study, or no such model.
        """
        if not self.all and not self.each:
            return ()
        flag = "--all" if self.all else "--each"
        one = {
            "--each": self.all and self.each,
            "--model": self.model,
            "--models": self.models,
            "--study": self.study,
            "--composing-models": self.composing_models,
            "--from-model-analyzer": self.from_model_analyzer,
        }
        for other in (name for name, given in one.items() if given and name != flag):
            raise UsageError(f"{flag}: tunes one model after the other; drop it or {other}")

        from autotune.repository import ModelRepository, model_files

        repository = ModelRepository(Path(self.model_repository))
        if self.all:
            specs = [repository.model(name) for name in repository.names()]
            steps = {each.name for spec in specs for each in repository.composing_models(spec)}
            specs = [spec for spec in specs if spec.name not in steps]
        else:
            names = dict.fromkeys(listed(self.each))
            specs = [repository.model(name, "--each") for name in names]
        return tuple(
            (spec.name, sum(path.stat().st_size for _, path in model_files(spec.path) if path.is_file()))
            for spec in specs
        )

    def completed(self) -> tuple[RunRequest, tuple[str, ...]]:
        """This request with the options of its Model Analyzer file, and notes on how that was read.

        Options that were given win.

        Raises:
            UsageError: The file is at fault, or has no latency ceiling while none is given.
        """
        translation = self._translation()
        if translation is None:
            return self, ()
        if "launch" in self.given:
            for name in SERVER_OPTIONS:
                translation.options.pop(name, None)
        if "objective" in self.given:
            translation.options.pop("load", None)
        if self.search_space is not None:
            translation.space = {}
        file = self.from_model_analyzer
        try:
            completed = self.completed_with(translation.options)
            constrained = completed.ceilings()
        except UsageError as error:
            raise UsageError(f"--from-model-analyzer: {file}: read as {error}") from None
        if "throughput" in completed.objective and not constrained:
            raise UsageError(f"--from-model-analyzer: {file} has no latency constraint; add one such as --p99 5ms")
        return completed, tuple(translation.notes(self.given))

    def _translation(self) -> Translation | None:
        if self.from_model_analyzer is None:
            return None
        return read_model_analyzer(Path(self.from_model_analyzer), self.model)

    def goal(self) -> Objective:
        """What the study looks for; raises `UsageError` if the options do not go together."""
        if self.within is not None and not self.final_rounds:
            raise UsageError("--within: the final comparison decides it; drop --final-rounds 0")
        client_s = self.client_s(closed=self.load == "closed", remedy="--load closed")
        found = self.jointly(
            parse_objective(
                self.objective,
                self.ceilings(),
                self.min_throughput,
                self.load,
                client_s,
                self.spacing(),
                None if self.goodput is None else parse_duration(self.goodput, "--goodput"),
            )
        )
        return replace(
            found,
            within=0.0 if self.within is None else parse_percent(self.within, "--within"),
            max_memory=None if self.max_memory is None else parse_size(self.max_memory, "--max-memory"),
            max_gpu_memory=None if self.max_gpu_memory is None else parse_size(self.max_gpu_memory, "--max-gpu-memory"),
        )

    def checks_outputs(self) -> bool:
        """Whether answers are compared; raises `UsageError` if the word is unknown."""
        if self.check_outputs not in ("always", "never"):
            raise UsageError(f"--check-outputs: {self.check_outputs!r} is unknown; use always or never")
        return self.check_outputs == "always"

    def time_budget_s(self) -> float | None:
        """Seconds to spend; None for no limit."""
        return parse_duration(self.time_budget, "--time-budget") if self.time_budget else None

    def most_trials(self) -> int | None:
        """Trials of the study; None if only the time budget ends it."""
        return self.trials if self.trials or self.time_budget else DEFAULT_TRIALS

    def space(self) -> SearchSpace:
        """The search space; raises `UsageError` if its file is at fault."""
        import yaml

        from autotune.space import SearchSpace

        if self.search_space:
            return SearchSpace.load(Path(self.search_space))
        translation = self._translation()
        if translation is None or not translation.space:
            return SearchSpace.default()
        return SearchSpace.parse(yaml.safe_dump(translation.space), f"the space of {self.from_model_analyzer}")

    def study_name(self, model: str, launch: str, kind: str = "") -> str:
        """The study's name: as given, or one that the same command makes again, ``mnist-p99-5ms-embedded``.

        ``kind`` of hardware is put behind it.

        Raises:
            UsageError: The name cannot be a directory's.
        """
        name = self.study or default_study_name(model, self.goal(), launch)
        if not _STUDY_NAME.fullmatch(name):
            raise UsageError(f"--study: {name!r} names a directory; use letters, digits, '.', '_' and '-'")
        return f"{name}-{kind}" if kind else name


def default_study_name(model: str, objective: Objective, launch: str) -> str:
    """Model, objective and launch mode in one word."""
    sought = objective.words.replace(",", "-")
    load = [f"{sought}-at-{objective.rate_per_s:g}"] if objective.rate_per_s is not None else []
    load = load or ([sought] if objective.also else [])
    if objective.goodput_s is not None:
        load.append(f"within-{format_duration(objective.goodput_s)}")
    slo = [f"{ceiling.statistic}-{format_duration(ceiling.limit_s)}" for ceiling in objective.ceilings]
    if objective.weights:
        model, slo = "-".join(_shared_words(objective)), []
    slo += [f"{each.of.replace(' ', '-')}-{format_size(each.limit_bytes)}" for each in objective.memory_limits]
    slo += [f"within-{objective.within * 100:.3g}-percent"] if objective.within else []
    loop = ["closed-loop"] if objective.load == "closed" else []
    spaced = [] if objective.arrivals == POISSON else [re.sub(r"[^A-Za-z0-9]+", "-", str(objective.arrivals))]
    return "-".join([model, *load, *slo, *loop, *spaced, launch])


def _shared_words(objective: Objective) -> Iterator[str]:
    """Each of several models with its weight and its ceilings."""
    for model, weight in objective.weights:
        yield from (model, f"{weight:g}")
        for each in objective.ceilings:
            if each.model == model:
                yield from (each.statistic, format_duration(each.limit_s))
