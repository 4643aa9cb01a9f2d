"""What it takes to serve an exported repository: image, arguments, and the resources that were measured."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.repository import ConfigSet, server_arguments
from autotune.server import parse_size, without_config_name

if TYPE_CHECKING:
    from autotune.environment import Environment
    from autotune.store import TrialRecord

HTTP_PORT, GRPC_PORT, METRICS_PORT = 8000, 8001, 8002
SHARED_MEMORY_BYTES = 1 << 30  # as the container of a trial has by default
MODELS = "/models"
_MEMORY_HEADROOM = 1.5  # guess: the windows of a study are short, and a process grows
_START_LOOKS = 300  # guess; with the shortest interval 5 minutes, as in Triton's own chart
_MIB = 1 << 20
_NGC = "nvcr.io/nvidia/tritonserver"
# Triton 2.42 is NGC's release 24.01, and each later minor version the next month's, up to 2.59 (25.06).
_FIRST_NGC, _LAST_NGC = 42, 59


@dataclass(frozen=True)
class Service:
    """An exported repository as a service.

    Attributes:
        name: A DNS label made from the model's name.
        models: The model that is asked, then those that it calls.
        image: The Docker image.
        arguments: The study's ``tritonserver`` arguments.
        limits: The study's limits of the container, by ``docker run`` flag.
        cores: CPU cores that the server was measured with.
        memory_bytes: The server's largest measured memory; None if it was not seen.
        gpus: GPUs that the server was measured with.
        startup_s: Seconds that its start took.
        repository_bytes: The size of the repository.
    """

    name: str
    models: tuple[str, ...]
    image: str
    arguments: tuple[str, ...]
    limits: Mapping[str, str]
    cores: float
    memory_bytes: int | None
    gpus: int
    startup_s: float
    repository_bytes: int

    @classmethod
    def of(cls, trial: TrialRecord, image: str | None, repository_bytes: int) -> Service:
        """The service that a trial was.

        Raises:
            UsageError: No ``image`` is given, and none is known for the study's Triton.
        """
        environment, outcome = trial.environment, trial.outcome
        limits = dict(each.split("=", 1) for each in environment.launch.get("limits", "").split() if "=" in each)
        probes = outcome.measurement.probes if outcome.measurement else ()
        memory = [each.usage.memory_bytes for each in probes if each.usage and each.usage.memory_bytes]
        slug = re.sub(r"[^a-z0-9]+", "-", trial.model.lower()).strip("-")[:40].strip("-")
        return cls(
            name=f"triton-{slug}" if slug else "triton",
            models=tuple(outcome.configs),
            image=image or deployed_image(environment),
            arguments=tuple(trial_arguments(trial)),
            limits={flag: value for flag, value in limits.items() if flag != "gpus"},
            cores=environment.available_cores,
            memory_bytes=max(memory, default=None),
            gpus=_gpu_count(environment, limits.get("gpus", "auto")),
            startup_s=outcome.startup_s,
            repository_bytes=repository_bytes,
        )

    @property
    def server_arguments(self) -> list[str]:
        """Arguments that say what is loaded and how, the same wherever the repository is."""
        load = [f"--load-model={each}" for each in self.models]
        return ["--model-control-mode=explicit", *load, *self.arguments]

    @property
    def command(self) -> list[str]:
        """The command of a container that has the repository at `MODELS`."""
        return ["tritonserver", f"--model-repository={MODELS}", *self.server_arguments]

    @property
    def memory_mib(self) -> int | None:
        """Memory to reserve, in MiB: the measured memory with headroom, a multiple of 64."""
        if self.memory_bytes is None:
            return None
        return 64 * math.ceil(self.memory_bytes * _MEMORY_HEADROOM / _MIB / 64)

    @property
    def start_interval_s(self) -> int:
        """Seconds between two looks at a starting server: about as long as its start took."""
        return max(1, math.ceil(self.startup_s))

    @property
    def start_looks(self) -> int:
        """How often a starting server is looked at before it counts as failed."""
        return _START_LOOKS

    @property
    def kubernetes_resources(self) -> dict[str, dict[str, str]]:
        """Requests and limits of a container: the cores, memory and GPUs of the study.

        Memory is limited only if it was in the study: another server may need more than the one measured.
        """
        requests, limits = {"cpu": f"{self.cores:g}"}, {"cpu": f"{self.cores:g}"}
        if "memory" in self.limits:
            requests["memory"] = limits["memory"] = str(parse_size("--memory", self.limits["memory"]))
        elif self.memory_mib is not None:
            requests["memory"] = f"{self.memory_mib}Mi"
        if self.gpus:
            limits["nvidia.com/gpu"] = str(self.gpus)
        return {"requests": requests, "limits": limits}

    @property
    def measured_words(self) -> str:
        """Where the resources come from, in words."""
        seen = "" if self.memory_bytes is None else f"; its memory was {self.memory_bytes / _MIB:,.0f} MiB"
        return f"The study gave the server {self.cores:g} CPUs{seen}."


def docker_run(service: Service, directory: Path) -> list[str]:
    """The command that serves the repository in ``directory``, as a list of words."""
    ports = [word for port in (HTTP_PORT, GRPC_PORT, METRICS_PORT) for word in ("-p", f"{port}:{port}")]
    limits = {"shm-size": "1g", **service.limits}
    gpus = ["--gpus=all"] if service.gpus else []
    flags = [f"--{flag}={value}" for flag, value in limits.items()]
    mount = ["-v", f"{directory.resolve()}:{MODELS}:ro"]
    return ["docker", "run", "--rm", *gpus, *flags, *ports, *mount, service.image, *service.command]


def quoted(words: list[str]) -> str:
    """A command as a shell reads it."""
    return shlex.join(words)


def trial_arguments(trial: TrialRecord) -> list[str]:
    """The ``tritonserver`` arguments of a trial, the study's first; its models have their configs in `config.pbtxt`."""
    own = server_arguments(ConfigSet.parse(trial.outcome.configs, f"trial {trial.number}"))
    return [*without_config_name(trial.environment.launch.get("arguments", "").split()), *own]


def deployed_image(environment: Environment) -> str:
    """The image that the study ran, or NVIDIA's with the same version of Triton.

    Raises:
        UsageError: None is known.
    """
    launch = environment.launch
    if "image" in launch:
        return launch["image"]
    version = launch.get("triton", "")
    found = re.match(r"2\.(\d+)\.", version)
    if found is None or not _FIRST_NGC <= int(found[1]) <= _LAST_NGC:
        raise UsageError(f"--image: no image is known for the study's Triton {version or '(unknown)'}; name one")
    months = int(found[1]) - _FIRST_NGC
    return f"{_NGC}:{24 + months // 12}.{1 + months % 12:02d}-py3"


def _gpu_count(environment: Environment, asked: str) -> int:
    if asked == "none":
        return 0
    return len(environment.gpus) if asked in ("auto", "all") else len(asked.split(","))
