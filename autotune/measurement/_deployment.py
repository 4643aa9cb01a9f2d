"""A config under test: staged, served by a fresh Triton, with a load generator pointed at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from autotune.load import LoadGenerator, PayloadData, create_generator, make_payload
from autotune.repository import ModelConfig, ModelSpec, stage
from autotune.server import Launcher, RunningServer


@dataclass(frozen=True)
class Served:
    """A ready server and a client for it."""

    server: RunningServer
    generator: LoadGenerator


@dataclass(frozen=True)
class Deployment:
    """How a model's configs are served and loaded, the same for every trial of a study.

    Attributes:
        spec: The model as the person has it.
        launcher: The launch mode.
        protocol: ``http`` or ``grpc``.
        directory: Where staged repositories and logs go; best on the model files' own filesystem, so that
            they are linked rather than copied.
        input_data: What requests carry.
        shapes: Shapes of inputs with dynamic dimensions, batch dimension left out.
        batch_size: Inferences in one request.
        seed: Seed of random input data.
        composing: The models that an ensemble is composed of; staged beside it.
    """

    spec: ModelSpec
    launcher: Launcher
    protocol: str
    directory: Path
    input_data: PayloadData = "random"
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch_size: int = 1
    seed: int = 0
    composing: Sequence[ModelSpec] = ()

    def conditions(self) -> str:
        """What requests look like, in words; measurements under other conditions cannot be compared."""
        shapes = [f"{name} of shape {','.join(map(str, shape))}" for name, shape in sorted(self.shapes.items())]
        return ", ".join([self.protocol, f"{self.input_data} data", f"batch size {self.batch_size}", *shapes])

    @contextmanager
    def serve(self, config: ModelConfig, log_path: Path) -> Iterator[Served]:
        """Serves ``config`` on a fresh server until the context is left.

        Raises:
            UsageError: The payload does not fit the model.
            ServerFailure: The server did not come up.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staged-", dir=self.directory) as staging:
            repository = stage(self.spec, config, Path(staging), self.composing)
            with self.launcher.launch(repository, self.spec.name, log_path) as server:
                payload = make_payload(
                    self.spec.name,
                    server.model_metadata(),
                    server.model_config(),
                    data=self.input_data,
                    batch_size=self.batch_size,
                    shapes=self.shapes,
                    seed=self.seed,
                )
                with closing(create_generator(self.protocol, server.endpoint, payload)) as generator:
                    yield Served(server, generator)
