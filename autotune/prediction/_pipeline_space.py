"""The configs of models that are tuned together, a pipeline's or those of one server: the ones worth simulating.

The combinations of all steps' configs are too many to simulate each. So the steps are improved in turns, the one that
saturates first before the others, each with the others as they are, until no step gains anything. What was simulated on
the way is the pool of candidates; a step whose config does not matter keeps its own. Several models that share the load
are treated alike, but that each request goes to one of them. So are a model that calls others (BLS) and those models:
the first of them is held through all calls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autotune.measurement import Probe
from autotune.objective import Objective, latency_key
from autotune.outcome import TrialOutcome
from autotune.prediction._calls import after_calls, caller_times, why_not_simulated
from autotune.prediction._options import PredictionOptions
from autotune.prediction._service_times import Window, differ, overhead_samples, service_times
from autotune.prediction._sharing import Parts, shared_parts, split
from autotune.prediction._simulations import Simulations
from autotune.prediction._together import beside, cpu_s_of, one_by_one, parts_of, sizes_of, windows_of
from autotune.repository import ConfigSet, ModelConfig, RequestShapes, shapes_of_steps
from autotune.simulator import Batching, Pipeline, Prediction, ServiceTimes, Stage
from autotune.space import INSTANCE_COUNT, MAX_BATCH_SIZE, SIMULATED, Candidate, JointSpace

_TIMING = ("max_queue_delay_microseconds", "preferred_batch_size")
"""The parameters that are tried after those that decide how much a step completes."""


class PipelineSpace(Simulations):
    """The candidates of a pipeline that were simulated.

    Args:
        space: The search spaces of its models.
        base: The configs that candidates change.
        objective: What is optimised.
        seed: Of the simulated arrivals.
        options: How finely configs are simulated, and when they are alike.
        requests: The shapes of the requests that are sent in turn; None if they are alike or not known.
    """

    def __init__(
        self,
        space: JointSpace,
        base: ConfigSet,
        objective: Objective,
        seed: int,
        options: PredictionOptions,
        requests: RequestShapes | None = None,
    ) -> None:
        super().__init__(objective, seed, options)
        self._space = space
        self._base = base
        self._better = options.pipeline_better
        self._written = {
            model: part
            for model, each in space.spaces.items()
            if (config := base.get(model)) is not None and (part := each.locate(config)) is not None
        }
        self._caller = ""  # the model that calls the others, where one does
        self._shapes = _shapes_of_steps(base, requests)
        self._split: dict[str, dict[str, Candidate]] = {}
        self._batching: dict[tuple[str, Candidate], Batching] = {}
        self._service: dict[str, ServiceTimes] = {}
        self._instances: dict[str, int] = {}
        self._steps: tuple[tuple[str, tuple[int, ...]], ...] = ()
        self._pipeline: Pipeline | None = None
        self._parts: Parts | None = None
        self._loaded: list[Probe] = []  # the windows that they were learnt from
        unknown = [
            name
            for model, each in space.spaces.items()
            for parameter in each.parameters
            if parameter.name not in SIMULATED and len(parameter.choices) > 1
            for name in [space.name_of(model, parameter.name)]
        ]
        if self.inapplicable:
            return
        if not objective.maximise:
            self.inapplicable = "a pipeline is simulated for its throughput only"
        elif unknown:
            self.inapplicable = f"the simulator does not know what {', '.join(unknown)} would change"
        elif any(Batching.of(config) is None for config in base if config.name in space.spaces):
            self.inapplicable = "the simulator does not know how Triton batches one of the models"

    @property
    def tells_all_apart(self) -> bool:
        """See `Simulations`: other parameters make it inapplicable."""
        return True

    def learn(self, known: Sequence[TrialOutcome]) -> bool:
        """See `Simulations.learn`."""
        outcomes = [outcome for outcome in known if outcome.measurement is not None]
        outcomes = outcomes[: self._options.trials_simulated_from]
        seen = [(outcome, probe) for outcome in outcomes for probe in windows_of(outcome)]
        probes = [probe for _, probe in seen]
        screens = [
            probe
            for probe in probes
            if probe.concurrency == 1 and probe.purpose != "sizes" and probe.server.success_count
        ]
        if not screens:
            return bool(self._service)
        calmest = min(screens, key=lambda probe: (bool(probe.invalid), probe.latency_s["p99"]))
        parts = parts_of(probes[-1])
        if calmest.called:
            self._caller = self._base.asked.name
            self.inapplicable = why_not_simulated(self._caller, probes, self._options.calls_tolerance)
        shown = {self._caller, *(each.model for each, _ in parts)}
        if hidden := [model for model in self._space.spaces if model not in shown]:
            self.inapplicable = f"no window shows how long executions of {', '.join(hidden)} take"
        if self.inapplicable:
            return False
        self._steps = tuple((each.model, each.after) for each, _ in parts)
        service = {model: self._learnt(model, probes) for model, _ in self._steps}
        self._instances = {each.model: each.instances for each, _ in parts}
        if self._caller:
            service[self._caller], side_by_side = caller_times(calmest)
            models = (self._caller, *(each.model for each, _ in parts))
            self._steps = tuple(zip(models, after_calls(len(parts), side_by_side=side_by_side), strict=True))
            self._instances[self._caller] = seen[-1][0].measurement.instances if seen[-1][0].measurement else 1
        if any(times is None for times in service.values()):
            return bool(self._service)
        found = {model: times for model, times in service.items() if times is not None}
        self._share(seen, found, calmest)
        if self._pipeline and not any(differ(self._service[each], found[each], self._options) for each in found):
            return True
        self._service = found
        options = self._options  # the model that is asked least gets enough requests too
        requests = min(round(options.pipeline_requests / self._objective.least_share), options.pipeline_most_requests)
        self._pipeline = self._sent(calmest, cpu_s_of(probes), requests)
        again = self._worth_again()
        self.candidates, self.predictions, self._index = [], [], {}
        self._add([*again, *self._starts()])
        self._improve()
        self._open(())
        return True

    def add(self, candidates: Iterable[Candidate]) -> None:
        """See `Simulations.add`."""
        if self._pipeline is not None:
            self._add([each for each in candidates if each in self._space])
            self._open(())

    def refine(self, best: Iterable[Candidate]) -> None:
        """See `Simulations.refine`."""
        if self._pipeline is None:
            return
        around = [each for config in best for each in self._space.refinements(config)]
        self._add(around)
        self._open(around)

    def _learnt(self, model: str, probes: Sequence[Probe], *, alone: bool = False) -> ServiceTimes | None:
        """How long the executions of one model take; of windows of one request at a time if those are to be alone.

        These do if they show batches about as large. The time of the cores is left out: it is accounted for once, for
        all models together.
        """
        largest = self._largest_batch(model)
        windows = [
            Window(each.instances, replace(probe, server=server), 0.0)
            for probe in probes
            for each, server in parts_of(probe)
            if each.model == model
        ]
        lone = [window for window in windows if window.probe.concurrency == 1]
        if alone and 2 * max(sizes_of(lone), default=0) >= max(sizes_of(windows), default=0):
            windows = lone
        found = service_times(windows, largest, self._options, overhead_s=np.zeros(1))
        return None if found is None else replace(found, request_cpu_s=0.0, execution_cpu_s=0.0)

    def _share(
        self, seen: Sequence[tuple[TrialOutcome, Probe]], service: dict[str, ServiceTimes], calmest: Probe
    ) -> None:
        """Learns which part of their executions the models spend on a common device, and splits ``service`` so."""
        options = self._options
        loaded = [
            (outcome, probe)
            for outcome, probe in seen
            if (probe.concurrency or 0) > 1 and probe.purpose in ("profile", "saturate") and len(parts_of(probe)) > 1
        ]
        loaded.sort(key=lambda each: -(each[1].concurrency or 0))  # models slow each other most under most load
        loaded = loaded[: options.sharing_windows]
        learnt = {model: self._learnt(model, [probe for _, probe in seen], alone=True) for model in service}
        alone = {model: times for model, times in learnt.items() if times is not None}
        if self._caller:
            alone[self._caller] = service[self._caller]
        if [probe for _, probe in loaded] != self._loaded and len(alone) == len(service):
            self._loaded = [probe for _, probe in loaded]
            windows = [beside(outcome, probe, alone, self._steps, self._shapes) for outcome, probe in loaded]
            self._parts = shared_parts(self._sent(calmest, 0.0, options.sharing_requests), windows, options)
        for (model, _), parts in zip(self._steps, self._parts or (), strict=False):
            if max(parts) > 0:
                service[model] = split(alone[model], parts)

    def _sent(self, alone: Probe, cpu_s: float, requests: int) -> Pipeline:
        """What sends requests; ``alone`` shows their time outside the models."""
        shares = {each.stream.model: each.stream.share for each in alone.streams}
        if shares:
            outside_s = [
                alone.latency_s[latency_key("avg", model)] - server.request_ns / server.success_count / 1e9
                for (_, server), model in zip(parts_of(alone), shares, strict=True)
                if server.success_count
            ]
            overhead_s = np.maximum(0.0, [float(np.median(outside_s))])
        else:
            overhead_s = overhead_samples([(alone, self._on_the_way_s(alone))], self._options)
        objective = self._objective
        return Pipeline(objective.ceilings, overhead_s, cpu_s, requests, self._seed, objective.arrivals, shares)

    def _on_the_way_s(self, probe: Probe) -> float:
        """Mean seconds of a request in the steps, along the way that takes longest, or in a model that calls others."""
        if probe.called:
            return probe.server.request_ns / probe.server.success_count / 1e9
        ended_s: list[float] = []
        for each in probe.steps:
            began_s = max((ended_s[place] for place in each.step.after), default=0.0)
            ended_s.append(began_s + each.mean_s)
        return max(ended_s, default=0.0)

    def _starts(self) -> Iterator[Candidate]:
        """What the written configs are, and plain batching."""
        for candidate in (self._space.locate(self._base), self._space.triton_default(self._base)):
            if candidate is not None:
                yield candidate

    def _improve(self) -> None:
        """Fills the pool; see the module."""
        if not self.candidates:
            return
        current = min(self.candidates, key=lambda each: self.rank(self._of(each)))
        for _ in range(self._options.pipeline_passes):
            before = current
            for model in self._by_saturation(current):
                for timing in (False, True):
                    current = self._improved(current, model, timing=timing)
            if current == before:
                break

    def _by_saturation(self, candidate: Candidate) -> list[str]:
        """The models that are tuned, the one that saturates first in front."""
        assert self._pipeline is not None  # noqa: S101 - called after it was made
        saturation = self._pipeline.saturation_per_s(self._stages(candidate))
        lowest: dict[str, float] = {}
        for (model, _), per_s in zip(self._steps, saturation, strict=True):
            lowest[model] = min(per_s, lowest.get(model, math.inf))
        return sorted((model for model in self._space.spaces if model in lowest), key=lambda model: lowest[model])

    def _improved(self, current: Candidate, model: str, *, timing: bool) -> Candidate:
        """The best candidate with another config of one model; the current one where none is better by enough."""
        assert self._pipeline is not None  # noqa: S101 - called after it was made
        own = self._parts_of(current)[model].as_dict()
        rate_per_s = self._of(current).rate_per_s
        others = []
        for part in self._space.spaces[model].coarse.candidates():
            alike = all(part[name] == value for name, value in own.items() if (name in _TIMING) != timing)
            if not alike and not (not timing and _is_plain(part)):
                continue
            other = self._space.with_part(current, model, part)
            if other.key in self._index or min(self._pipeline.saturation_per_s(self._stages(other))) > rate_per_s:
                others.append(other)
        self._add(others)
        best = max(others, key=lambda each: self._of(each).rate_per_s, default=current)
        if self._of(best).rate_per_s <= rate_per_s * (1 + self._better):
            return current
        close = [each for each in others if self._of(each).rate_per_s >= self._of(best).rate_per_s * (1 - self._better)]
        return min(close, key=lambda each: self._cost(each, model))

    def _cost(self, candidate: Candidate, model: str) -> tuple[int, int, str]:
        """Of configs that come to the same, the written one is taken, then the one with the fewest instances.

        Then the one that changes the fewest parameters, or by name, so that one of several is tried.
        """
        part = self._parts_of(candidate)[model]
        written = self._written.get(model)
        before, values = written.as_dict() if written else {}, part.as_dict()
        changes = sum(before.get(name) != value for name, value in values.items())
        return int(str(values.get(INSTANCE_COUNT, 1))) if changes else 0, changes, part.key

    def _open(self, around: Sequence[Candidate]) -> None:
        """Opens the coarse candidates and ``around``, but for those that a cheaper config of one step comes up to."""
        self._settle(self._features())
        self.coarse = np.array([self._space.is_coarse(each) for each in self.candidates])
        self.open = self.coarse.copy()
        self.open[[self._index[each.key] for each in around]] = True
        for model in self._space.spaces:
            alike: dict[tuple[str, ...], list[Candidate]] = {}
            for each in self.candidates:
                others = tuple(part.key for name, part in self._parts_of(each).items() if name != model)
                alike.setdefault(others, []).append(each)
            for group in alike.values():
                best_per_s = -math.inf  # of the cheaper ones
                for each in sorted(group, key=lambda each: self._cost(each, model)):
                    if best_per_s >= self._of(each).rate_per_s * (1 - self._better):
                        self.open[self._index[each.key]] = False
                    best_per_s = max(best_per_s, self._of(each).rate_per_s)

    def _worth_again(self) -> list[Candidate]:
        """The candidates that are simulated again when execution times have changed."""
        best_per_s = max((each.rate_per_s for each in self.predictions), default=0.0)
        least_per_s = self._options.pipeline_again * best_per_s
        return [each for each in self.candidates if self._of(each).rate_per_s >= least_per_s]

    def _parts_of(self, candidate: Candidate) -> dict[str, Candidate]:
        """Each model's values."""
        if candidate.key not in self._split:
            self._split[candidate.key] = {model: self._space.part(candidate, model) for model in self._space.spaces}
        return self._split[candidate.key]

    def _of(self, candidate: Candidate) -> Prediction:
        return self.predictions[self._index[candidate.key]]

    def _add(self, candidates: Iterable[Candidate]) -> None:
        new = {each.key: each for each in candidates if each.key not in self._index}
        for key, candidate in new.items():
            self._index[key] = len(self.candidates)
            self.candidates.append(candidate)
            self.predictions.append(self._predicted(candidate))

    def _predicted(self, candidate: Candidate) -> Prediction:
        assert self._pipeline is not None  # noqa: S101 - called after it was made
        found = self._pipeline.highest_rate(self._stages(candidate))
        if self._objective.load != "closed":
            return found
        outstanding = found.rate_per_s * (found.latency_s["avg"] + self._objective.client_s)
        return replace(found, concurrency=max(1, round(outstanding)))

    def _stages(self, candidate: Candidate) -> list[Stage]:
        configs = {config.name: config for config in self._base}
        stages = []
        for place, (model, after) in enumerate(self._steps):
            if model in self._space.spaces:
                batching = self._batching_of(model, self._parts_of(candidate)[model])
            else:
                batching = self._untuned(model, configs.get(model))
            calls = model == self._caller
            if calls:
                batching = one_by_one(batching.instances)
            shared = self._parts is not None and max(self._parts[place]) > 0
            stages.append(Stage(batching, self._service[model], after, 0 if shared else place + 1, calls))
        return stages

    def _batching_of(self, model: str, part: Candidate) -> Batching:
        if (model, part) not in self._batching:
            config = self._base.get(model)
            assert config is not None  # noqa: S101 - a model that is tuned has one
            self._batching[model, part] = self._untuned(model, self._space.spaces[model].apply(part, config))
        return self._batching[model, part]

    def _untuned(self, model: str, config: ModelConfig | None) -> Batching:
        """The batching of a config; as many instances as Triton was seen to make if it does not say."""
        batching = (Batching.of(config, self._shapes.get(model)) if config is not None else None) or Batching(
            1, dynamic=False
        )
        if config is not None and config.instance_count:
            return batching
        return replace(batching, instances=self._instances.get(model, 1))

    def _largest_batch(self, model: str) -> int:
        """The largest batch of any of a model's configs."""
        config = self._base.get(model)
        sizes = [config.max_batch_size] if config is not None else []
        for each in self._space.spaces[model].parameters if model in self._space.spaces else ():
            if each.name == MAX_BATCH_SIZE:
                sizes += [int(str(choice)) for choice in each.choices]
        return max([1, *sizes])

    def _features(self) -> NDArray[np.float64]:
        rows = []
        for candidate in self.candidates:
            row = []
            for stage in self._stages(candidate):
                each = stage.batching
                octaves = math.log2(each.max_batch_size) / 2, math.log2(each.instances)
                row += [*(octave / self._options.length for octave in octaves), float(each.dynamic)]
            rows.append(row)
        return np.array(rows)


def _shapes_of_steps(base: ConfigSet, requests: RequestShapes | None) -> dict[str, RequestShapes]:
    """The shapes of what each model gets of the requests, by model; of one that is two steps, the first one's."""
    if requests is None:
        return {}
    known = {config.name: config.to_json() for config in base}
    found: dict[str, RequestShapes] = {}
    for model, shapes in shapes_of_steps(lambda name: known.get(name, {}), base.asked.name, requests):
        found.setdefault(model, shapes)
    return found


def _is_plain(part: Candidate) -> bool:
    """Whether no delay and no preferred sizes are set."""
    values = part.as_dict()
    return not values.get(_TIMING[0], 0) and values.get(_TIMING[1], "none") == "none"
