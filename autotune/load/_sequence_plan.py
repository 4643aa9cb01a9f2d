"""The sequences that a model takes, from its config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotune.load._sequences import DEFAULT_LENGTH, SequencePlan
from autotune.load._traffic import Traffic
from autotune.load.payload import Payload

_IDLE_US = 1_000_000  # Triton's default


def takes_sequences(config: Mapping[str, Any]) -> bool:
    """Whether a model with this config refuses requests without a correlation id."""
    return "sequence_batching" in config


def sequence_plan(
    configs: Sequence[Mapping[str, Any]], streams: Sequence[Sequence[Payload]], traffic: Traffic
) -> SequencePlan | None:
    """The sequences of a load; None if none of the models takes any.

    Args:
        configs: The model's complete config, ``/v2/models/M/config``, and those of an ensemble's steps: a sequence
            goes through all of them.
        streams: The requests, by stream; the load's requests are all of them in this order.
        traffic: How they are sent.
    """
    batchers = [config["sequence_batching"] for config in configs if takes_sequences(config)]
    if not batchers:
        return None
    idle_us = min(int(each.get("max_sequence_idle_microseconds") or _IDLE_US) for each in batchers)
    numbers = iter(range(sum(map(len, streams))))
    return SequencePlan(
        streams=tuple(tuple(next(numbers) for _ in stream) for stream in streams),
        length=traffic.sequence_length or (None if traffic.files else DEFAULT_LENGTH),
        text_ids=any(map(_has_text_ids, batchers)),
        most=traffic.sequences,
        idle_s=idle_us / 1e6,
        seed=traffic.seed,
    )


def _has_text_ids(batcher: Mapping[str, Any]) -> bool:
    return any(
        control.get("kind") == "CONTROL_SEQUENCE_CORRID" and control.get("data_type") == "TYPE_STRING"
        for tensor in batcher.get("control_input", ())
        for control in tensor.get("control", ())
    )
