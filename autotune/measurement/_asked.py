"""One of several models that share the load: its requests, and the client of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotune.load import (
    OWN_CLIENT,
    LoadGenerator,
    Mix,
    Payload,
    Traffic,
    declared_outputs,
    different_payloads,
    generator_for,
    make_payloads,
)
from autotune.measurement._sizes import Sized
from autotune.repository import KeptApart, RequestShapes, step_kept_apart
from autotune.server import RunningServer


@dataclass(frozen=True)
class AskedModel:
    """A model on a running server with the requests for it.

    Attributes:
        model: Its name.
        metadata: ``/v2/models/M``.
        config: The config that the server has, ``/v2/models/M/config``.
        traffic: What its requests carry.
        payloads: Its requests, sent in turn.
    """

    model: str
    metadata: Mapping[str, Any]
    config: Mapping[str, Any]
    traffic: Traffic
    payloads: tuple[Payload, ...]

    @classmethod
    def of(cls, server: RunningServer, model: str, traffic: Traffic) -> AskedModel:
        """The model as the server has it; raises `UsageError` if the traffic does not fit it."""
        metadata, config = server.model_metadata(model), server.model_config(model)
        return cls(model, metadata, config, traffic, make_payloads(model, metadata, config, traffic))

    def sized(self, size: int) -> AskedModel:
        """The same with ``size`` inferences in each request."""
        if size == self.traffic.batch_size:
            return self
        traffic = replace(self.traffic, batch_size=size)
        return replace(self, traffic=traffic, payloads=make_payloads(self.model, self.metadata, self.config, traffic))

    def different(self) -> Sequence[Payload]:
        """Its requests, or enough different ones where they are random, so that answers can be compared."""
        return different_payloads(self.metadata, self.config, self.traffic, self.payloads)

    def kept_apart(self, server: RunningServer) -> KeptApart | None:
        """What keeps its requests from being batched together; None if nothing does."""
        shapes = RequestShapes(each.shapes for each in self.payloads)
        return step_kept_apart(server.model_config, self.model, shapes, self.traffic.batch_size)


def sizes_of_several(server: RunningServer, asked: Sequence[AskedModel], largest_bytes: int) -> Sized | None:
    """Makes a client that asks each model in turn for a number of items, or for its largest batch if that is smaller.

    Args:
        server: What serves them.
        asked: The models.
        largest_bytes: Bytes of a request up to which sizes are asked for.

    Returns:
        None if requests already have several items, or would be too large.
    """
    largest = {each.model: max(1, int(each.config.get("max_batch_size", 0))) for each in asked}
    sized_bytes = (
        sum(tensor.data.nbytes for tensor in each.payloads[0].inputs) * largest[each.model] for each in asked
    )
    if asked[0].traffic.batch_size > 1 or asked[0].traffic.client != OWN_CLIENT or max(sized_bytes) > largest_bytes:
        return None

    def sized(sizes: Sequence[int]) -> LoadGenerator:
        models = []
        for each in asked:
            possible = sorted({min(size, largest[each.model]) for size in sizes})
            models.append(replace(each, payloads=tuple(each.sized(size).payloads[0] for size in possible)))
        return generator_of_several(server, models, (1.0,) * len(models))

    return sized


def generator_of_several(
    server: RunningServer, asked: Sequence[AskedModel], shares: tuple[float, ...]
) -> LoadGenerator:
    """One client that sends each model its share of the requests; close it when done."""
    mix = Mix(
        shares,
        tuple(len(each.payloads) for each in asked),
        tuple(declared_outputs(each.metadata, each.config) for each in asked),
    )
    payloads = [payload for each in asked for payload in each.payloads]
    return generator_for(asked[0].traffic, server.endpoint, payloads, mix=mix)
