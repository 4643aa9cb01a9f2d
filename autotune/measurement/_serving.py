"""The facts of a served config by which Triton's statistics are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.repository import has_queue_policy, has_rate_limiter, has_response_cache, instances_of, queue_limit
from autotune.server import ModelStatistics, OneOf, RunningServer

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One model that an ensemble or a model calls, steps of nested ensembles included.

    Attributes:
        model: Its name.
        instances: Its instances.
        largest_batch: Its ``max_batch_size``; 1 if it does not batch.
        after: Places of the steps whose outputs it waits for.
    """

    model: str
    instances: int = 1
    largest_batch: int = 1
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class StepWindow:
    """Triton's statistics of one step of an ensemble, or of a model that is called, over one window.

    Attributes:
        step: The step.
        server: Its model's statistics; a model that is called several times a request counts all of them.
    """

    step: Step
    server: ModelStatistics

    @property
    def mean_s(self) -> float:
        """Mean seconds of one of its requests, wait included."""
        return self.server.request_ns / self.server.success_count / 1e9 if self.server.success_count else 0.0

    def busy(self, seconds: float) -> float:
        """The part of the time that its instances were busy."""
        return min(1.0, self.server.busy_s / (self.step.instances * seconds))


@dataclass(frozen=True)
class Stream:
    """One of several models that get requests of their own.

    Attributes:
        model: Its name.
        share: The fraction of all requests that it gets.
        instances: Its instances.
    """

    model: str
    share: float
    instances: int = 1


@dataclass(frozen=True)
class Serving:
    """What a server makes of the config that it serves.

    Attributes:
        instances: The model's instances; of an ensemble 1, of several models those of all.
        largest_batch: Its ``max_batch_size``; 1 if it does not batch.
        saturating: Requests that fill every instance's batch and the next one behind it; of an ensemble those of the
            step that takes most.
        steps: Of an ensemble, each after those that it waits for; empty for other models.
        streams: Of several models that share the load, each one's; empty for one model.
        called: The models that the model calls itself (BLS); empty for an ensemble, whose steps they are.
        decoupled: Whether a request may have any number of responses, sent at any time.
        polls: Whether Triton may leave a request waiting for a 500 ms poll, see `has_queue_policy`.
        queue_size: Requests that may wait, by the queue policy's ``max_queue_size``; 0 for any number.
        queue_field: The config's field that says so; empty for any number.
        rate_limited: Whether instances may wait for the rate limiter.
        cached: Whether the config wants the response cache.
    """

    instances: int = 1
    largest_batch: int = 1
    saturating: int = 2
    steps: tuple[Step, ...] = ()
    decoupled: bool = False
    polls: bool = False
    queue_size: int = 0
    queue_field: str = ""
    rate_limited: bool = False
    cached: bool = False
    streams: tuple[Stream, ...] = ()
    called: tuple[Step, ...] = ()

    @property
    def parts(self) -> tuple[Step, ...]:
        """The steps of an ensemble, or the models that a model calls."""
        return self.steps or self.called

    @classmethod
    def of(
        cls, server: RunningServer, shares: Mapping[str, float] | None = None, called: Sequence[str] = ()
    ) -> Serving:
        """The facts of what ``server`` serves.

        Args:
            server: It.
            shares: Of several models that share the load, the fraction of the requests that each gets.
            called: The models that the model calls.

        Raises:
            ServerCrashed: It no longer answers.
        """
        if shares:
            return cls._of_several(server, shares)
        config: Config = server.model_config()
        steps = _steps(config, server.model_config) if _entries(config) else ()
        own = Step("", _instances(config), _largest_batch(config))
        calls = tuple(_step(model, server.model_config(model)) for model in called)
        configs = [config, *(server.model_config(step.model) for step in (*steps, *calls))]
        queue_size, queue_field = max(map(queue_limit, configs))
        return cls(
            instances=own.instances,
            largest_batch=own.largest_batch,
            saturating=max(2 * step.instances * step.largest_batch for step in (own, *steps)),
            steps=steps,
            decoupled=_decoupled(config),
            polls=any(map(has_queue_policy, configs)),
            queue_size=queue_size,
            queue_field=queue_field if queue_size else "",
            rate_limited=any(map(has_rate_limiter, configs)),
            cached=any(map(has_response_cache, configs)),
            called=calls,
        )

    @classmethod
    def _of_several(cls, server: RunningServer, shares: Mapping[str, float]) -> Serving:
        each = {model: cls.of(OneOf(server, model)) for model in shares}
        longest = max(each.values(), key=lambda one: one.queue_size)
        return cls(
            instances=sum(one.instances for one in each.values()),
            largest_batch=max(one.largest_batch for one in each.values()),
            saturating=sum(one.saturating for one in each.values()),
            streams=tuple(Stream(model, share, each[model].instances) for model, share in shares.items()),
            polls=any(one.polls for one in each.values()),
            queue_size=longest.queue_size,
            queue_field=longest.queue_field,
            rate_limited=any(one.rate_limited for one in each.values()),
            cached=any(one.cached for one in each.values()),
        )


def _steps(config: Config, config_of: Callable[[str], Config]) -> tuple[Step, ...]:
    """The steps of an ensemble, each after those that it waits for."""
    entries = _entries(config)
    maker = {
        tensor: index for index, entry in enumerate(entries) for tensor in (entry.get("output_map") or {}).values()
    }
    waits = [
        {maker[tensor] for tensor in (entry.get("input_map") or {}).values() if tensor in maker} for entry in entries
    ]
    steps: list[Step] = []
    ends: dict[int, tuple[int, ...]] = {}  # of each entry, the places of the steps that nothing in it waits for
    while len(ends) < len(entries):
        ready = [index for index in range(len(entries)) if index not in ends and waits[index] <= ends.keys()]
        if not ready:
            break  # a cycle, which Triton refuses
        for index in ready:
            after = tuple(place for each in sorted(waits[index]) for place in ends[each])
            first = len(steps)
            model = str(entries[index].get("model_name", ""))
            inner = config_of(model)
            for step in _steps(inner, config_of) if _entries(inner) else (_step(model, inner),):
                own = tuple(place + first for place in step.after)
                steps.append(Step(step.model, step.instances, step.largest_batch, own or after))
            waited = {place for step in steps[first:] for place in step.after}
            ends[index] = tuple(place for place in range(first, len(steps)) if place not in waited)
    return tuple(steps)


def _step(model: str, config: Config) -> Step:
    return Step(model, _instances(config), _largest_batch(config))


def _entries(config: Config) -> Sequence[Config]:
    return (config.get("ensemble_scheduling") or {}).get("step") or ()


def _instances(config: Config) -> int:
    groups = config.get("instance_group")
    return instances_of(groups) if isinstance(groups, list) and groups else 1


def _largest_batch(config: Config) -> int:
    return max(1, int(str(config.get("max_batch_size", 0))))


def _decoupled(config: Config) -> bool:
    return bool((config.get("model_transaction_policy") or {}).get("decoupled"))
