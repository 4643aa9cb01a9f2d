"""Where trials are executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autotune.errors import UsageError
from autotune.request._option import AT_LEAST_ONE, Panel, Request, option
from autotune.request._prices import Prices

EXECUTORS = ("local", "ray")
STAGING = ("auto", "path", "copy")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^/]+)*/?")


@dataclass(frozen=True, kw_only=True)
class ExecutorRequest(Request):
    """This machine, or the workers of a Ray cluster."""

    executor: str = option("local", "local|ray", "Where trials run.", panel=Panel.EXECUTOR)
    address: str | None = option(
        None,
        "HOST:PORT|auto",
        "The Ray cluster of --executor ray; auto finds the one on this machine.",
        panel=Panel.EXECUTOR,
    )
    worker_cpus: int | None = option(
        None,
        "N",
        "CPUs that each trial takes on the cluster instead of one GPU.",
        panel=Panel.EXECUTOR,
        allowed=AT_LEAST_ONE,
    )
    worker_resource: str | None = option(
        None, "NAME=N", "Custom Ray resource that each trial takes instead of one GPU.", panel=Panel.EXECUTOR
    )
    workers: int | None = option(
        None,
        "N",
        "Most trials at a time on the cluster; all that fit by default.",
        panel=Panel.EXECUTOR,
        allowed=AT_LEAST_ONE,
    )
    staging: str = option(
        "auto",
        "auto|path|copy|s3://BUCKET/PREFIX",
        "How workers get the model repository: by its path, as a copy, or from S3.",
        panel=Panel.EXECUTOR,
    )
    per_hardware: bool = option(
        False, "", "Run one study for each kind of hardware of the cluster, and compare them.", panel=Panel.EXECUTOR
    )
    prices: str | Path | None = option(
        None, "FILE", "YAML file of prices per hour by hardware; with --per-hardware.", panel=Panel.EXECUTOR
    )

    def on_ray(self) -> bool:
        """Whether trials run on a Ray cluster; raises `UsageError` if the options do not go together."""
        if self.executor not in EXECUTORS:
            raise UsageError(f"--executor: {self.executor!r} is unknown; use {' or '.join(EXECUTORS)}")
        if self.staging not in STAGING and not _BUCKET.fullmatch(self.staging):
            known = f"{', '.join(STAGING)} or s3://BUCKET/PREFIX"
            raise UsageError(f"--staging: {self.staging!r} is unknown; use {known}")
        given = {
            "--address": self.address,
            "--worker-cpus": self.worker_cpus,
            "--worker-resource": self.worker_resource,
            "--workers": self.workers,
            "--staging": None if self.staging == "auto" else self.staging,
            "--per-hardware": self.per_hardware or None,
            "--prices": self.prices,
        }
        if self.executor == "local":
            for flag, value in given.items():
                if value is not None:
                    raise UsageError(f"{flag}: only --executor ray uses it; drop it, or add --executor ray")
            return False
        if self.address is None:
            raise UsageError("--executor: ray needs a cluster; add --address HOST:PORT, or --address auto")
        if self.worker_cpus is not None and self.worker_resource is not None:
            raise UsageError("--worker-resource: given with --worker-cpus; use one of them")
        if self.prices is not None and not self.per_hardware:
            raise UsageError("--prices: only --per-hardware compares costs; add it, or drop --prices")
        self.resources()
        return True

    def known_prices(self) -> Prices | None:
        """The prices of the file; None without one. Raises `UsageError` if it is at fault."""
        return None if self.prices is None else Prices.read(Path(self.prices))

    def resources(self) -> dict[str, float]:
        """What a trial takes of a node, by Ray's name of the resource.

        Raises:
            UsageError: The custom resource cannot be read.
        """
        if self.worker_cpus is not None:
            return {"CPU": float(self.worker_cpus)}
        if self.worker_resource is None:
            return {"GPU": 1.0}
        name, _, amount = self.worker_resource.partition("=")
        try:
            number = float(amount or 1)
        except ValueError:
            number = 0.0
        if not name or number <= 0 or name in ("CPU", "GPU", "memory"):
            raise UsageError(
                f"--worker-resource: {self.worker_resource!r} is no custom resource; use NAME=N as in a100_slice=1"
            )
        return {name: number}
