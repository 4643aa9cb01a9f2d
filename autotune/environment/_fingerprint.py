"""The environment that a measurement depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVING_PACKAGES = ("nvidia-pytriton", "onnxruntime", "numpy")
"""Packages that run inside the embedded server, so their versions affect a measurement."""


@dataclass(frozen=True)
class Gpu:
    """One GPU, as named by ``nvidia-smi``."""

    name: str
    driver: str
    memory_mib: int

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_mib} MiB, driver {self.driver})"


@dataclass(frozen=True)
class Environment:
    """The machine and the software of a measurement.

    Attributes:
        cpu_model: The processor's name.
        physical_cores: Physical cores of the machine; 0 if unknown.
        logical_cores: Logical cores of the machine.
        available_cores: Cores that this process may use, by its affinity and its control group's quota.
        memory_bytes: Memory that this process may use, by its control group's limit.
        gpus: The GPUs.
        system: Operating system and version.
        kernel: Kernel release.
        python: Python version.
        launch: How the server is launched (mode, image or binary, Triton version), from `Launcher.describe`.
        model_digest: A digest of the model's files.
        packages: Distribution name to installed version.
    """

    cpu_model: str
    physical_cores: int
    logical_cores: int
    available_cores: float
    memory_bytes: int
    gpus: tuple[Gpu, ...]
    system: str
    kernel: str
    python: str
    launch: dict[str, str] = field(default_factory=dict)
    model_digest: str = ""
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits; two measurements are comparable if theirs are equal.

        Included: processor, cores, GPUs, launch, model and serving packages. Not included: memory, kernel, Python and
        client packages, since measurements agree on machines that differ only in these.
        """
        relevant = {
            "cpu": [self.cpu_model, self.logical_cores, self.available_cores],
            "gpus": [asdict(gpu) for gpu in self.gpus],
            "launch": dict(self.launch),
            "model": self.model_digest,
            "packages": {name: self.packages.get(name) for name in SERVING_PACKAGES},
        }
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def differences(before: Environment, after: Environment, first: str = "before", second: str = "now") -> list[str]:
    """One line per difference, such as ``CPU cores available: 2 before, 4 now``; in other words than these if given."""
    lines = []
    for label, old, new in _facts(before, after):
        if old != new:
            lines.append(f"{label}: {old or 'none'} {first}, {new or 'none'} {second}")
    return lines


def _facts(before: Environment, after: Environment) -> list[tuple[str, str, str]]:
    def gpus(environment: Environment) -> str:
        return ", ".join(str(gpu) for gpu in environment.gpus)

    def gibibytes(environment: Environment) -> str:
        return f"{environment.memory_bytes / 2**30:.1f} GiB"

    facts = [
        ("CPU", before.cpu_model, after.cpu_model),
        ("physical CPU cores", str(before.physical_cores), str(after.physical_cores)),
        ("logical CPU cores", str(before.logical_cores), str(after.logical_cores)),
        ("CPU cores available", f"{before.available_cores:g}", f"{after.available_cores:g}"),
        ("memory", gibibytes(before), gibibytes(after)),
        ("GPU", gpus(before), gpus(after)),
        ("model files", before.model_digest, after.model_digest),
        ("system", before.system, after.system),
        ("kernel", before.kernel, after.kernel),
        ("Python", before.python, after.python),
    ]
    facts += _entries("launch", before.launch, after.launch)
    return facts + _entries("package", before.packages, after.packages)


def _entries(label: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*before, *after])
    return [(f"{label} {name}", before.get(name, ""), after.get(name, "")) for name in names]
