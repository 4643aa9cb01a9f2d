"""Checks what each launch mode needs on this machine; starts nothing."""

from __future__ import annotations

import contextlib
from contextlib import closing
from pathlib import Path

from autotune.environment import capture
from autotune.errors import UsageError
from autotune.repository import repository_tree
from autotune.server._belongings import SHARED_MEMORY
from autotune.server._bundle import DISTRIBUTION, LIBPYTHON, find_bundle, find_libpython
from autotune.server._diagnosis import Diagnosis
from autotune.server._docker import DockerLauncher
from autotune.server._embedded import EmbeddedLauncher, free_shared_memory_bytes
from autotune.server._engine import connect, default_image, find_image, has_gpu, has_host_network
from autotune.server._local import LocalLauncher, triton_version
from autotune.server._options import LaunchOptions
from autotune.server._remote import RemoteLauncher
from autotune.server._types import Launcher


def diagnose(options: LaunchOptions | None = None, repository: Path | None = None) -> list[Diagnosis]:
    """What the machine, the model repository (if given) and each launch mode have, lack and how to get it."""
    options = options or LaunchOptions()
    models = [_models(repository)] if repository is not None else []
    return [_machine(), *models, _docker(options), _local(options), _embedded(options), _remote(options)]


def _machine() -> Diagnosis:
    here = capture({}, "")
    details = [
        f"OS: {here.system}, kernel {here.kernel}, Python {here.python}",
        f"CPU: {here.cpu_model}",
        f"vCPU: {here.logical_cores}, {here.available_cores:g} of them usable",
        f"RAM: {here.memory_bytes / 2**30:.1f} GiB usable",
        f"{SHARED_MEMORY}: {free_shared_memory_bytes() >> 20} MiB free",
        *(f"GPU: {gpu}" for gpu in here.gpus or ["none (no nvidia-smi)"]),
    ]
    return Diagnosis("machine", True, details)


def _models(repository: Path) -> Diagnosis:
    try:
        return Diagnosis("model repository", True, [str(repository), *repository_tree(repository)])
    except OSError as error:
        found = f"{repository}: {error.strerror or error}"
        return Diagnosis("model repository", False, [found], ["name it with --model-repository"])


def _docker(options: LaunchOptions) -> Diagnosis:
    details = []
    with contextlib.suppress(UsageError), closing(connect()) as client:  # checked again below, which gives the remedy
        info = client.info()
        details.append(f"engine {info.get('ServerVersion')} on {info.get('OperatingSystem')}")
        network = "host networking" if has_host_network(info) else "ports published on the loopback"
        gpus = "GPUs can be passed through" if has_gpu(info) else "no nvidia runtime: CPU only"
        details += [network, gpus]
        reference = options.image or default_image(info)
        details.append(f"image {reference}: {find_image(client, reference).short_id}")
    return _checked(DockerLauncher(options), details)


def _local(options: LaunchOptions) -> Diagnosis:
    launcher = LocalLauncher(options)
    try:
        binary = launcher.binary()
    except UsageError:
        return _checked(launcher, [])
    return _checked(launcher, [f"{binary}, Triton {triton_version(binary)}"])


def _embedded(options: LaunchOptions) -> Diagnosis:
    details = []
    with contextlib.suppress(UsageError):  # checked again below, which gives the remedy
        details.append(f"Triton {find_bundle().version} in {DISTRIBUTION}")
    libpython = find_libpython()
    if libpython is not None:
        details.append(f"{LIBPYTHON}: {libpython}")
    return _checked(EmbeddedLauncher(options), details)


def _remote(options: LaunchOptions) -> Diagnosis:
    launcher = RemoteLauncher(options)
    if options.url is None:
        return Diagnosis("remote", False, ["no server given"], ["give one with --url HOST:PORT[,GRPC_PORT]"])
    return _checked(launcher, [f"{options.url}: Triton {launcher.describe()['triton']}"])


def _checked(launcher: Launcher, details: list[str]) -> Diagnosis:
    try:
        launcher.check()
    except UsageError as error:
        found, _, remedy = str(error).removeprefix(f"--launch {launcher.name}: ").partition("; ")
        return Diagnosis(launcher.name, False, [*details, found], [remedy] if remedy else [])
    return Diagnosis(launcher.name, True, details)
