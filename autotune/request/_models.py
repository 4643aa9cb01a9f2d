"""Several models on one server: their traffic weights, a ceiling each, and what each is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.objective import Ceiling, Objective, ceiling_flag, parse_ceilings, parse_duration
from autotune.request._model import ModelRequest
from autotune.request._option import Panel, option
from autotune.request._slo import SloRequest
from autotune.request._traffic import TrafficRequest

if TYPE_CHECKING:
    from typing_extensions import Self

    from autotune.load import Traffic
    from autotune.repository import ModelConfig, ModelSpec

_OF_ONE_MODEL = (
    "model",
    "composing_models",
    "model_config",
    "from_model_analyzer",
    "from_perf_analyzer",
    "scenario",
    "concurrency",
    "streaming",
    "client_time",
    "ttfr_p99",
    "sequence_length",
    "num_of_sequences",
)
_UNSUPPORTED = {
    "ensemble_scheduling": "is an ensemble; tune it alone with --model {0}, its steps are tuned with it",
    "sequence_batching": "has sequence_batching; measure it alone with --model {0}",
    "model_transaction_policy.decoupled": "is decoupled; measure it alone with --model {0}",
}


@dataclass(frozen=True, kw_only=True)
class ModelsRequest(SloRequest, ModelRequest, TrafficRequest):
    """One model, or several that share a server."""

    models: str | None = option(
        None,
        "NAME[=WEIGHT],...",
        "Several models on one server that share the load by weight, instead of --model.",
        panel=Panel.MODEL,
    )

    def weights(self) -> dict[str, float]:
        """The weight of each of several models; empty for one model.

        Raises:
            UsageError: They cannot be read, or another option goes with one model only.
        """
        if self.models is None:
            return {}
        found: dict[str, float] = {}
        for part in self.models.split(","):
            name, _, weight = part.strip().partition("=")
            if not name:
                raise UsageError(f"--models: {self.models!r} lacks a name; write NAME=WEIGHT,NAME=WEIGHT")
            if name in found:
                raise UsageError(f"--models: {name!r} is given twice; give it once, with a larger weight")
            found[name] = _weight(name, weight) if "=" in part else 1.0
        if len(found) < 2:
            raise UsageError(f"--models: {self.models!r} is one model; use --model {next(iter(found))}, or name two")
        for name in _OF_ONE_MODEL:
            if name in self.given and getattr(self, name, None):
                raise UsageError(f"--{name.replace('_', '-')}: goes with one model, not with --models; leave it out")
        if self.shares_memory:
            raise UsageError("--shared-memory: goes with one model, not with --models; leave it out")
        if self.client != "autotune":
            raise UsageError(f"--client: {self.client} sends to one model; leave it out, or use --model")
        return found

    def ceilings(self) -> tuple[Ceiling, ...]:
        """The ceilings that are given; of several models each one's, the first model's first.

        Raises:
            UsageError: A duration that cannot be read, or one of a model that is not among them.
        """
        models = list(self.weights())
        given = {name: str(text) for name, text in self.statistics().items() if text is not None}
        if not models:
            for name, text in given.items():
                if "=" in text:
                    raise UsageError(
                        f"{ceiling_flag(name)}: {text!r} names a model, which needs --models; without it write 5ms"
                    )
            return super().ceilings()
        limits_s = {name: _limits_s(text, ceiling_flag(name), models) for name, text in given.items()}
        for each in parse_ceilings(self.ceiling):
            if each.of_first_response:
                raise UsageError(f"--ceiling: {each.statistic} goes with one model, not with --models")
            if each.statistic in limits_s:
                raise UsageError(f"--ceiling: two ceilings on {each.statistic} (--{each.statistic} too); give one")
            limits_s[each.statistic] = dict.fromkeys(models, each.limit_s)
        return tuple(
            Ceiling(name, each[model], model) for model in models for name, each in limits_s.items() if model in each
        )

    def jointly(self, objective: Objective) -> Objective:
        """The objective for all models together; the same for one model.

        Raises:
            UsageError: It cannot be asked of several models, or one of them has no ceiling.
        """
        weights = self.weights()
        if not weights:
            return objective
        if objective.goal != "throughput" or objective.also:
            raise UsageError(f"--objective: {objective.words} goes with one model; with --models use throughput")
        if objective.load != "open":
            raise UsageError("--load: a closed loop has no rate to share by weight; with --models use --load open")
        unlimited = [model for model in weights if not any(each.model == model for each in objective.ceilings)]
        if unlimited:
            raise UsageError(f"--p99: {unlimited[0]!r} has no ceiling; add one, such as --p99 {unlimited[0]}=5ms")
        return replace(objective, weights=tuple(weights.items()))

    def find_models(
        self, triton_args: Sequence[str] = (), *, allow_batching: bool = False
    ) -> tuple[tuple[ModelSpec, ...], tuple[ModelSpec, ...]]:
        """The models that get requests, and those that the only one of them needs; see `find_model`.

        Raises:
            UsageError: A model is missing, or of a kind that cannot share a load.
        """
        names = self.weights()
        if not names:
            spec, composing = self.find_model(triton_args, allow_batching=allow_batching)
            return (spec,), composing
        from autotune.repository import ModelRepository
        from autotune.server import completion, config_name

        repository = ModelRepository(Path(self.model_repository), config_name(triton_args), completion(triton_args))
        specs = tuple(repository.model(name, "--models", allow_batching=allow_batching) for name in names)
        for spec in specs:
            for field, words in _UNSUPPORTED.items():
                if spec.config.value(field) or spec.config.has(field):
                    raise UsageError(f"--models: {spec.name!r} {words.format(spec.name)}")
        return specs, ()

    def shares(self) -> dict[str, float]:
        """The fraction of the requests that each of several models gets; empty for one model."""
        weights = self.weights()
        return {model: weight / sum(weights.values()) for model, weight in weights.items()}

    def traffics(
        self,
        asked: Iterable[tuple[ModelSpec, ModelConfig]],
        composing: Sequence[ModelSpec] = (),
        *,
        batch_size: int = 1,
        seed: int = 0,
    ) -> dict[str, Traffic]:
        """The traffic for each model that gets requests, by name; see `TrafficRequest.traffic`."""
        found = {}
        for spec, config in asked:
            request = self.of_model(spec.name)
            try:
                found[spec.name] = request.traffic(spec, config, composing=composing, batch_size=batch_size, seed=seed)
            except UsageError as error:
                if self.models is None:
                    raise
                raise UsageError(f"{error} (of model {spec.name!r}: write {spec.name}= before the value)") from error
        return found

    def of_model(self, model: str) -> Self:
        """This request with the input data and the shapes of one of several models.

        Raises:
            UsageError: Some of them do not say which model they are for.
        """
        from autotune.load import GENERATED

        names = self.weights()
        if not names:
            return self
        return self.changed(
            input_data=_of_model(self.input_data, "--input-data", model, names, for_all=GENERATED),
            shape=_of_model(self.shape, "--shape", model, names),
        )


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UsageError(f"--models: the weight {text!r} of {name!r} is not a number above zero; write {name}=2")
    return weight


def _limits_s(text: str, flag: str, models: Sequence[str]) -> dict[str, float]:
    """The limit in seconds for each model that has one."""
    if "=" not in text:
        return dict.fromkeys(models, parse_duration(text, flag))
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, duration = part.strip().partition("=")
        if not equals:
            raise UsageError(f"{flag}: {part!r} names no model; write {models[0]}={part}, or one value for all")
        if name not in models:
            raise UsageError(f"{flag}: {name!r} is not among --models ({', '.join(models)})")
        if name in found:
            raise UsageError(f"{flag}: {name!r} is given twice; give it one limit")
        found[name] = parse_duration(duration, flag)
    return found


def _of_model(
    values: Sequence[str], flag: str, model: str, names: Mapping[str, float], for_all: Sequence[str] = ()
) -> tuple[str, ...]:
    """The values ``MODEL=VALUE`` of one model; without one the words that are for all."""
    own, common = [], []
    for value in values:
        name, equals, rest = value.partition("=")
        if value in for_all:
            common.append(value)
        elif equals and name in names:
            own += [rest] if name == model else []
        elif equals:
            raise UsageError(f"{flag}: {name!r} of {value!r} is not among --models ({', '.join(names)})")
        else:
            raise UsageError(f"{flag}: {value!r} does not say for which model; write {next(iter(names))}={value}")
    return tuple(own or common)
