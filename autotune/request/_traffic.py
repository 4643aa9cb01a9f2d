"""What requests carry and how they are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.objective import parse_duration
from autotune.request._option import AT_LEAST_ONE, Allowed, Panel, Request, option

if TYPE_CHECKING:
    from autotune.load import Payload, Traffic
    from autotune.repository import ModelConfig, ModelSpec


DRAWN_PAYLOADS = 64
"""Requests whose sizes are drawn, by default: enough for a spread that looks like the distribution (a guess)."""


MOST_PAYLOADS = 100_000
"""Different requests: each is made before the first is sent (a guess: some seconds)."""


@dataclass(frozen=True, kw_only=True)
class TrafficRequest(Request):
    """Protocol, payloads and client of the load."""

    protocol: str = option("http", "http|grpc", "Protocol of the requests.", panel=Panel.LOAD)
    shape: Sequence[str] = option(
        (),
        "NAME:D,D,...",
        "Shape of an input without the batch; a size may be uniform(LOW,HIGH); may be repeated.",
        panel=Panel.LOAD,
    )
    input_data: Sequence[str] = option(
        (),
        "random|zero|PATH",
        "Content of the requests: random, or from files or directories; may be repeated.",
        panel=Panel.LOAD,
    )
    payloads: int | None = option(
        None,
        "N",
        f"Different random requests, sent in turn; 1 by default, {DRAWN_PAYLOADS} if sizes are drawn.",
        panel=Panel.LOAD,
        allowed=Allowed(lambda value: 1 <= value <= MOST_PAYLOADS, f"1 to {MOST_PAYLOADS}"),
    )
    streaming: bool = option(
        False, "", "Send over a gRPC stream and time its first and last response.", panel=Panel.LOAD
    )
    shared_memory: str = option(
        "none", "none|system", "Pass tensors through shared memory of this machine.", panel=Panel.LOAD
    )
    client_time: str | None = option(
        None, "DURATION", "Mean think time of a closed loop's clients; none by default.", panel=Panel.LOAD
    )
    sequence_length: int | None = option(
        None,
        "N",
        "Mean requests of a sequence; by default the stream's length, 20 for generated data.",
        panel=Panel.LOAD,
        allowed=AT_LEAST_ONE,
    )
    num_of_sequences: int | None = option(
        None,
        "N",
        "Most sequences at a time in open loop; no limit by default.",
        panel=Panel.LOAD,
        allowed=AT_LEAST_ONE,
    )
    client: str = option("autotune", "autotune|perf_analyzer", "The load generator.", panel=Panel.LOAD)
    perf_analyzer: str | Path | None = option(
        None, "FILE", "The binary of --client perf_analyzer; the one on PATH by default.", panel=Panel.LOAD
    )

    @property
    def shares_memory(self) -> bool:
        """Whether tensors pass through shared memory; raises `UsageError` if the kind is unknown."""
        if self.shared_memory not in ("none", "system"):
            raise UsageError(f"--shared-memory: {self.shared_memory!r} is unknown; use none or system")
        return self.shared_memory == "system"

    def traffic(
        self,
        spec: ModelSpec,
        config: ModelConfig,
        *,
        composing: Sequence[ModelSpec] = (),
        batch_size: int = 1,
        seed: int = 0,
    ) -> Traffic:
        """The traffic for a model.

        Args:
            spec: The model.
            config: The config it is served with.
            composing: The models that are served beside it.
            batch_size: Inferences in one request.
            seed: Seed of random data.

        Raises:
            UsageError: An option is wrong or does not fit the model.
        """
        from autotune.load import CLIENTS, Traffic, check_client, parse_shape, protocols
        from autotune.load.payload import varies

        if self.protocol not in protocols():
            raise UsageError(f"--protocol: {self.protocol!r} is unknown; use {' or '.join(protocols())}")
        if self.client not in CLIENTS:
            raise UsageError(f"--client: {self.client!r} is unknown; use {' or '.join(CLIENTS)}")
        if self.streaming and self.protocol != "grpc":
            raise UsageError("--streaming: responses are streamed over gRPC only; add --protocol grpc")
        if config.value("model_transaction_policy.decoupled") and not self.streaming:
            raise UsageError(
                f"--streaming: model {spec.name!r} is decoupled and answers only on a stream;"
                " add --protocol grpc --streaming"
            )
        steps = composing if config.has("ensemble_scheduling") else ()  # a model that calls others sends their ids
        self._check_sequences([(spec.name, config), *((each.name, each.config) for each in steps)], batch_size)
        shapes = dict(map(parse_shape, self.shape))
        traffic = Traffic(
            protocol=self.protocol,
            input_data=self._input_data(),
            payloads=self.payloads or (DRAWN_PAYLOADS if varies(shapes) else 1),
            shapes=shapes,
            batch_size=batch_size,
            seed=seed,
            streaming=self.streaming,
            shared_memory=self.shares_memory,
            sequence_length=self.sequence_length,
            sequences=self.num_of_sequences,
            client=self.client,
            perf_analyzer=Path(self.perf_analyzer) if self.perf_analyzer else None,
        )
        if self.perf_analyzer is not None and self.client != "perf_analyzer":
            raise UsageError("--perf-analyzer: has no effect without --client perf_analyzer; add it")
        check_client(traffic)
        from autotune.repository import check_batch_dimension

        for each, served in ((spec, config), *((step, step.config) for step in composing)):
            check_batch_dimension(each, served)
        expected_payloads(spec, config, traffic)
        return traffic

    def _check_sequences(self, served: Sequence[tuple[str, ModelConfig]], batch_size: int) -> None:
        """Raises `UsageError` for options that do not go with sequences, or that need a model which takes them.

        Triton refuses requests of several inferences to such a model.
        """
        from autotune.load import OWN_CLIENT

        name = next((name for name, config in served if config.has("sequence_batching")), None)
        if name is None:
            for flag, given in (
                ("--sequence-length", self.sequence_length),
                ("--num-of-sequences", self.num_of_sequences),
            ):
                if given is not None:
                    raise UsageError(f"{flag}: {served[0][0]!r} has no sequence_batching; leave {flag} out")
            return
        for wrong, flag, remedy in (
            (batch_size > 1, "--batch-size", f"{batch_size} inferences in one request are refused; use --batch-size 1"),
            (self.shares_memory, "--shared-memory", "its requests cannot use shared memory; leave it out"),
            (self.client != OWN_CLIENT, "--client", f"{self.client} cannot send its requests; use {OWN_CLIENT}"),
        ):
            if wrong:
                raise UsageError(f"{flag}: {name!r} has sequence_batching: {remedy}")

    def _input_data(self) -> str | tuple[str, ...]:
        """A word for generated data, or paths.

        Raises:
            UsageError: A path that is neither a file nor a directory, or several kinds of data.
        """
        from autotune.load import GENERATED
        from autotune.load.payload import check_paths

        given = tuple(self.input_data) or GENERATED[:1]
        if generated := [each for each in given if each in GENERATED]:
            if len(given) > 1:
                raise UsageError(f"--input-data: {generated[0]} is given beside other data; give one of them")
            return generated[0]
        check_paths(tuple(map(Path, given)))
        return given if len(given) > 1 else given[0]

    def client_s(self, *, closed: bool, remedy: str) -> float:
        """Mean think time in seconds of the client; 0 if it sends the next request at once.

        Args:
            closed: Whether the load is a closed loop.
            remedy: The option that makes it one, for the error.

        Raises:
            UsageError: A time that cannot be read, or a load whose client has no think time.
        """
        from autotune.load import OWN_CLIENT

        if self.client_time is None or self.client_time == "none":
            return 0.0
        if not closed:
            raise UsageError(f"--client-time: only a closed loop has a think time; drop it, or add {remedy}")
        if self.client != OWN_CLIENT:
            raise UsageError(f"--client-time: {self.client} has no think time; drop it, or use --client {OWN_CLIENT}")
        return parse_duration(self.client_time, "--client-time")


def expected_payloads(spec: ModelSpec, config: ModelConfig, traffic: Traffic) -> tuple[Payload, ...]:
    """The requests by what the model's files say; none if they do not describe its inputs.

    Raises:
        UsageError: The traffic does not fit the model.
    """
    from autotune.load import make_payloads

    if not spec.inputs:
        return ()
    declared = {each["name"]: each for each in config.value("input") or () if "name" in each}
    inputs = [asdict(tensor) for tensor in spec.inputs]
    for tensor in inputs:  # clients send what the config says, even if the model's file is less strict
        if dims := declared.get(tensor["name"], {}).get("dims"):
            tensor["shape"] = (*((-1,) if config.max_batch_size > 0 else ()), *dims)
    metadata = {"inputs": inputs, "outputs": [asdict(tensor) for tensor in spec.outputs]}
    batches = max(config.max_batch_size, traffic.batch_size if config.max_batch_size == 0 else 1)
    limit = batches if spec.batch_dimension == "dynamic" else 0
    return make_payloads(spec.name, metadata, {"max_batch_size": limit, "input": list(declared.values())}, traffic)
