"""What a service is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotune.service._tokens import Tokens
from autotune.store import Store


@dataclass(frozen=True)
class ServiceSettings:
    """What a service is given.

    Attributes:
        store: The database with jobs and studies.
        storage: Its URL with the password, for the runs; None for the default in ``results``.
        results: Directory of exported configs, logs and reports.
        repositories: Model repositories by the name that jobs use.
        tokens: Who may do what.
        run_options: Options of every run, by flag without its dashes, such as ``launch``; jobs cannot change them.
        parallel: Runs at a time.
        most_unfinished: Queued and running jobs of one tenant.
        most_body_bytes: Length of a request's body.
        most_requests_per_minute: Requests of one token or, without one, of one address.
    """

    store: Store
    storage: str | None
    results: Path
    repositories: Mapping[str, Path]
    tokens: Tokens
    run_options: Mapping[str, Any] = field(default_factory=dict)
    parallel: int = 1
    most_unfinished: int = 500
    most_body_bytes: int = 65_536
    most_requests_per_minute: int = 600

    def directory(self, job: str) -> Path:
        """The directory of a job's files and its study's."""
        return self.results / job

    def configs(self, job: str) -> dict[str, Path]:
        """The exported configs of a job by model; none before there are some."""
        return {path.parent.name: path for path in sorted(self.directory(job).glob("best/*/config.pbtxt"))}
