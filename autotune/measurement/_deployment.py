"""A config under test: staged, served by a fresh Triton, with a load generator pointed at it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.load import (
    OWN_CLIENT,
    LoadGenerator,
    Payload,
    Traffic,
    WrongAnswers,
    check_answers,
    check_requests,
    declared_outputs,
    different_payloads,
    fixed_inputs,
    generator_for,
    make_payloads,
    make_streams,
    sequence_plan,
)
from autotune.measurement._asked import AskedModel, generator_of_several, sizes_of_several
from autotune.measurement._options import DEFAULTS
from autotune.measurement._sizes import Sized
from autotune.repository import (
    ConfigSet,
    KeptApart,
    ModelConfig,
    ModelSpec,
    RequestShapes,
    ServedSet,
    StagingArea,
    compare_served,
    server_arguments,
    step_kept_apart,
)
from autotune.server import Launcher, OneOf, RunningServer, with_arguments


@dataclass(frozen=True)
class Served:
    """A ready server and a client for it.

    Attributes:
        server: The server.
        generator: The client.
        configs: The configs as they are served.
        kept_apart: What keeps the requests from being batched together; None if nothing does.
        sized: Makes a client whose requests have so many items in turn; None where requests cannot.
        config: The config that the server has, ``/v2/models/M/config``.
        inputs: Different requests of the traffic's kind; none if they are not known.
        batch_size: Inferences in a request of ``generator``.
        client_of: Makes a client whose requests have so many inferences each; None if there is only ``generator``.
        shares: The fraction of the requests that each of several models gets; empty for one model.
        beside: The other models whose answers are compared, each with its config and different requests.
        called: The models that the model calls itself; none for an ensemble, whose steps they are.
    """

    server: RunningServer
    generator: LoadGenerator
    configs: ServedSet
    kept_apart: KeptApart | None = None
    sized: Sized | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Payload] = ()
    batch_size: int = 1
    client_of: Callable[[int], LoadGenerator] | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    beside: Sequence[tuple[str, Mapping[str, Any], Sequence[Payload]]] = ()
    called: Sequence[str] = ()

    @contextmanager
    def with_batch_size(self, size: int) -> Iterator[Served]:
        """The same server with a client whose requests have ``size`` inferences each, until the context is left."""
        if self.client_of is None or size == self.batch_size:
            yield self
            return
        with closing(self.client_of(size)) as client:
            yield replace(self, generator=client, batch_size=size)

    def check_answers(self) -> str:
        """Compares the answers to requests alone with those beside others, to be called before any load.

        Returns:
            What was not compared and why, in words; empty if all was.

        Raises:
            WrongAnswers: They differ.
            ServerCrashed: The model died of it.
        """
        unchecked = []
        for model, config, inputs in (("", self.config, self.inputs), *self.beside):
            if not inputs:
                continue
            server = OneOf(self.server, model) if model else self.server
            ragged = any(tensor.get("allow_ragged_batch") for tensor in config.get("input", ()))
            try:
                words = check_answers(server, config, fixed_inputs(inputs, ragged=ragged))
            except WrongAnswers as wrong:
                raise WrongAnswers(f"{model}: {wrong}", wrong.batch_size) if model else wrong from None
            unchecked.append(f"{model}: {words}" if model and words else words)
        return "; ".join(dict.fromkeys(filter(None, unchecked)))


@dataclass(frozen=True)
class Deployment:
    """How a model's configs are served and loaded, the same for every trial of a study.

    Attributes:
        spec: The model as the person has it.
        launcher: The launch mode.
        directory: Where repositories are staged and logs go.
        traffic: What requests carry and how they are sent.
        composing: The models that it needs (an ensemble's steps, models that it calls); staged beside it.
        accepted: The models that are known to answer such requests, so that each is asked once.
        shares: The fraction of the requests that each of several models gets: ``spec`` and some of ``composing``.
            Empty for one model.
        traffics: What the requests to each of several models carry.
    """

    spec: ModelSpec
    launcher: Launcher
    directory: Path
    traffic: Traffic = field(default_factory=Traffic)
    composing: Sequence[ModelSpec] = ()
    accepted: set[str] = field(default_factory=set, compare=False, repr=False)
    shares: Mapping[str, float] = field(default_factory=dict)
    traffics: Mapping[str, Traffic] = field(default_factory=dict)

    @contextmanager
    def serve(self, configs: ConfigSet, log_path: Path) -> Iterator[Served]:
        """Serves ``configs`` on a fresh server until the context is left.

        Raises:
            UsageError: The payload does not fit the model, or no config can make it answer.
            ServerFailure: The server did not come up.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with self._area.staged((self.spec, *self.composing), configs) as repository:
            called = [each.name for each in self.composing]
            launcher = with_arguments(self.launcher, server_arguments(configs))
            with launcher.launch(repository, self.spec.name, log_path, called) as server:
                served = self._compare(configs, server)
                if self.shares:
                    with self._serve_several(server, served) as several:
                        yield several
                    return
                answer, metadata = server.model_config(), server.model_metadata()
                streams = make_streams(self.spec.name, metadata, answer, self.traffic)
                payloads = tuple(payload for stream in streams for payload in stream)
                sequences = sequence_plan(self._called_with_ids(server, answer), streams, self.traffic)
                if self.spec.name not in self.accepted and not self.traffic.streaming:
                    text_ids = sequences.text_ids if sequences else None
                    check_requests(server.endpoint, self.traffic, payloads, called, text_ids=text_ids)
                    self.accepted.add(self.spec.name)
                inputs = different_payloads(metadata, answer, self.traffic, payloads)
                shapes = RequestShapes(each.shapes for each in payloads)
                apart = step_kept_apart(server.model_config, self.spec.name, shapes, self.traffic.batch_size)
                outputs = declared_outputs(metadata, answer)

                def client_of(size: int) -> LoadGenerator:
                    traffic = replace(self.traffic, batch_size=size)
                    requests = make_payloads(self.spec.name, metadata, answer, traffic)
                    return generator_for(traffic, server.endpoint, requests, outputs, sequences)

                with closing(generator_for(self.traffic, server.endpoint, payloads, outputs, sequences)) as generator:
                    sized = self._sized(server, answer) if shapes.alike and sequences is None else None
                    yield Served(
                        server,
                        generator,
                        served,
                        apart,
                        sized,
                        answer,
                        inputs,
                        self.traffic.batch_size,
                        client_of,
                        beside=[] if "ensemble_scheduling" in answer else self._called_alone(server),
                        called=() if "ensemble_scheduling" in answer else called,
                    )

    @contextmanager
    def _serve_several(self, server: RunningServer, configs: ServedSet) -> Iterator[Served]:
        """The server with one client for all models that share the load."""
        asked = [AskedModel.of(server, model, self.traffics[model]) for model in self.shares]
        for each in asked:
            if each.model not in self.accepted:
                check_requests(server.endpoint, each.traffic, each.payloads, list(self.shares))
                self.accepted.add(each.model)

        def client_of(size: int) -> LoadGenerator:
            return generator_of_several(server, [each.sized(size) for each in asked], tuple(self.shares.values()))

        size = self.traffic.batch_size
        with closing(client_of(size)) as generator:
            yield Served(
                server,
                generator,
                configs,
                kept_apart=next(filter(None, (each.kept_apart(server) for each in asked)), None),
                sized=sizes_of_several(server, asked, DEFAULTS.largest_sized_bytes),
                config=asked[0].config,
                inputs=asked[0].different(),
                batch_size=size,
                client_of=client_of,
                shares=self.shares,
                beside=[(each.model, each.config, each.different()) for each in asked[1:]],
            )

    def _called_alone(self, server: RunningServer) -> list[tuple[str, Mapping[str, Any], Sequence[Payload]]]:
        """The models that the model calls, each with its config and random requests; not where shapes are unknown.

        A request may call one several times at once. Then batches of it form though only one request is sent.
        """
        called: list[tuple[str, Mapping[str, Any], Sequence[Payload]]] = []
        for each in self.composing:
            metadata, config = server.model_metadata(each.name), server.model_config(each.name)
            with suppress(UsageError):
                payloads = make_payloads(each.name, metadata, config, Traffic())
                called.append((each.name, config, different_payloads(metadata, config, Traffic(), payloads)))
        return called

    def _called_with_ids(self, server: RunningServer, answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The configs of the models that a request's correlation id reaches; those called by name get other ids."""
        steps = self.composing if "ensemble_scheduling" in answer else ()
        return [answer, *(server.model_config(each.name) for each in steps)]

    def _sized(self, server: RunningServer, answer: Mapping[str, Any]) -> Sized | None:
        traffic = self.traffic
        if traffic.batch_size > 1 or traffic.streaming or traffic.client != OWN_CLIENT:
            return None
        metadata = server.model_metadata()
        alone = make_payloads(self.spec.name, metadata, answer, traffic)[0]
        largest = max(1, int(answer.get("max_batch_size", 0)))
        if sum(tensor.data.nbytes for tensor in alone.inputs) * largest > DEFAULTS.largest_sized_bytes:
            return None

        def sized(sizes: Sequence[int]) -> LoadGenerator:
            payloads = [
                make_payloads(self.spec.name, metadata, answer, replace(traffic, batch_size=size))[0] for size in sizes
            ]
            return generator_for(traffic, server.endpoint, payloads)

        return sized

    def _compare(self, configs: ConfigSet, server: RunningServer) -> ServedSet:
        """What is served of every model, those included whose config is left to Triton."""
        asked = [configs.get(each.name) or ModelConfig.empty(each.name) for each in (self.spec, *self.composing)]
        return ServedSet(tuple(compare_served(each, server.model_config(each.name)) for each in asked))

    def close(self) -> None:
        """Removes what was staged."""
        if "_area" in self.__dict__:  # else nothing was
            self._area.close()

    @functools.cached_property
    def _area(self) -> StagingArea:
        return StagingArea(self.directory, read_only=self.launcher.reads_only)
