"""A server of several models, seen as the server of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from autotune.server._types import Endpoint, ModelStatistics, RunningServer
    from autotune.server._usage import ServerUsage


@dataclass(frozen=True)
class OneOf:
    """The same running server with another model as the one that is asked; see `RunningServer`.

    Attributes:
        server: The server.
        model: A model that it has loaded.
    """

    server: RunningServer
    model: str

    @property
    def endpoint(self) -> Endpoint:
        """The server's address."""
        return self.server.endpoint

    @property
    def startup_s(self) -> float:
        """Seconds from launch to ready, all models included."""
        return self.server.startup_s

    @property
    def log_path(self) -> Path | None:
        """The server's log file."""
        return self.server.log_path

    @property
    def pid(self) -> int | None:
        """The server's process."""
        return self.server.pid

    @property
    def model_died(self) -> bool:
        """Whether a process of any of its models has died."""
        return self.server.model_died

    def metadata(self) -> dict[str, object]:
        """The server's metadata."""
        return self.server.metadata()

    def model_metadata(self, model: str = "") -> dict[str, object]:
        """The model's metadata."""
        return self.server.model_metadata(model or self.model)

    def model_config(self, model: str = "") -> dict[str, object]:
        """The model's complete config."""
        return self.server.model_config(model or self.model)

    def statistics(self, model: str = "") -> ModelStatistics:
        """The model's statistics."""
        return self.server.statistics(model or self.model)

    def usage(self) -> ServerUsage | None:
        """What all its processes used."""
        return self.server.usage()

    def check_alive(self) -> None:
        """Raises if the server has ended, or any of its models has."""
        self.server.check_alive()
