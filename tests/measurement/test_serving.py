"""What a served config says about its statistics."""

from typing import Any

import pytest
from simulated_server import SimulatedServer

from autotune.measurement import Serving
from autotune.repository import queue_limit


class Serves(SimulatedServer):
    """Serves these configs; the first one is the model's."""

    def __init__(self, **configs: dict[str, Any]) -> None:
        super().__init__()
        self.configs = configs

    def model_config(self, model: str = "") -> dict[str, Any]:
        return self.configs[model or next(iter(self.configs))]


def entry(model: str, inputs: tuple[str, ...], output: str) -> dict[str, Any]:
    return {
        "model_name": model,
        "input_map": {f"in{number}": tensor for number, tensor in enumerate(inputs)},
        "output_map": {"out": output},
    }


def ensemble(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"max_batch_size": 4, "ensemble_scheduling": {"step": list(entries)}}


def model(batch: int = 8, count: int = 1) -> dict[str, Any]:
    return {"max_batch_size": batch, "instance_group": [{"count": count}]}


def test_steps_come_after_what_they_wait_for_and_nested_ensembles_are_taken_apart() -> None:
    top = ensemble(
        entry("last", ("left", "right"), "answer"),
        entry("first", ("image",), "pixels"),
        entry("inner", ("pixels",), "left"),
        entry("side", ("pixels",), "right"),
    )
    inner = ensemble(entry("deep", ("in",), "between"), entry("deeper", ("between",), "out"))
    models = {name: model() for name in ("first", "side", "deep", "last")}
    serving = Serving.of(Serves(top=top, inner=inner, deeper=model(32, 3), **models))
    after = {step.model: {serving.steps[place].model for place in step.after} for step in serving.steps}
    assert after == {
        "first": set(),
        "deep": {"first"},
        "deeper": {"deep"},
        "side": {"first"},
        "last": {"deeper", "side"},
    }
    assert all(place < at for at, step in enumerate(serving.steps) for place in step.after)
    assert serving.saturating == 2 * 3 * 32


def test_a_model_of_its_own_has_no_steps() -> None:
    serving = Serving.of(Serves(net=model(16, 2)))
    assert (serving.instances, serving.largest_batch, serving.saturating, serving.steps) == (2, 16, 64, ())
    assert not any((serving.decoupled, serving.polls, serving.rate_limited, serving.cached))


UNSET = {
    "timeout_action": "REJECT",
    "default_timeout_microseconds": "0",
    "allow_timeout_override": False,
    "max_queue_size": 0,
}


@pytest.mark.parametrize(
    ("batching", "polls"),
    [
        ({}, False),
        ({"max_queue_delay_microseconds": 500, "default_queue_policy": UNSET}, False),
        ({"default_queue_policy": {**UNSET, "max_queue_size": 1}}, True),
        ({"default_queue_policy": {**UNSET, "timeout_action": "DELAY"}}, True),
        ({"default_queue_policy": {**UNSET, "default_timeout_microseconds": "1000"}}, True),
        ({"priority_levels": "2"}, True),
    ],
)
def test_queue_policies_and_priorities_are_what_makes_triton_poll(batching: dict[str, Any], polls: bool) -> None:
    """Triton 2.51 writes an unset policy out with its defaults (measured), 64-bit numbers as text."""
    assert Serving.of(Serves(net={**model(), "dynamic_batching": batching})).polls is polls


@pytest.mark.parametrize(
    ("batching", "limit"),
    [
        ({}, 0),
        ({"default_queue_policy": {"max_queue_size": 3}}, (3, "default_queue_policy")),
        (
            {
                "priority_levels": "9",
                "default_priority_level": "7",
                "priority_queue_policy": {"7": {"max_queue_size": 2}},
                "default_queue_policy": {"max_queue_size": 3},
            },
            (2, "priority_queue_policy.7"),
        ),
        (
            {
                "priority_levels": "9",
                "default_priority_level": "8",
                "priority_queue_policy": {"7": {"max_queue_size": 2}},
                "default_queue_policy": {"max_queue_size": 3},
            },
            (3, "default_queue_policy"),
        ),
    ],
)
def test_the_queue_of_requests_without_a_priority_is_known(batching, limit) -> None:
    size, field = queue_limit({"dynamic_batching": batching})
    assert size == 0 if not limit else (size, field) == (limit[0], f"dynamic_batching.{limit[1]}.max_queue_size")
