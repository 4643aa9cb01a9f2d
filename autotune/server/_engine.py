"""The Docker engine: its client, its images and its capabilities."""

from __future__ import annotations

import os
import sys
from typing import Any

from autotune.errors import UsageError

CPU_IMAGE = "autotune-triton:cpu"
GPU_IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"  # Triton 2.51, as the embedded server and the CPU image
_TIMEOUT_S = 60


def connect() -> Any:
    """A client of the engine that ``DOCKER_HOST`` or the default socket names.

    Raises:
        UsageError: No engine answers, or it is on another machine.
    """
    from docker.errors import DockerException

    import docker

    address = os.environ.get("DOCKER_HOST", "")
    if address and not address.startswith(("unix://", "npipe://")):
        raise UsageError(
            f"--launch docker: DOCKER_HOST={address} may be another machine, whose files and ports are not here; "
            "unset it, or use --launch remote"
        )
    client = None
    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
        client.ping()
    except (DockerException, OSError) as error:
        if client is not None:
            client.close()
        raise UsageError(f"--launch docker: {_why_unreachable(error)}") from None
    return client


def has_gpu(info: dict[str, Any]) -> bool:
    """Whether the engine of this ``info`` can pass NVIDIA GPUs through."""
    return "nvidia" in (info.get("Runtimes") or {})


def cpu_count(info: dict[str, Any]) -> int:
    """CPUs that a container may be given; 0 if the engine does not say."""
    count = int(info.get("NCPU") or 0)
    # The engine counts the CPUs that it may use, which need not be the machine's first ones.
    return max(count, os.cpu_count() or 0) if count and has_host_network(info) else count


def default_image(info: dict[str, Any]) -> str:
    """The image used if ``--image`` is not given."""
    return GPU_IMAGE if has_gpu(info) else CPU_IMAGE


def has_host_network(info: dict[str, Any]) -> bool:
    """Whether a container can share this machine's network; it cannot if the engine runs in a virtual machine."""
    return sys.platform == "linux" and "Docker Desktop" not in str(info.get("OperatingSystem", ""))


def is_rootless(info: dict[str, Any]) -> bool:
    """Whether root in a container is the engine's user outside (rootless)."""
    return any("rootless" in option for option in info.get("SecurityOptions") or [])


def is_remapped(info: dict[str, Any]) -> bool:
    """Whether the engine maps a container's users to others outside (``userns-remap``)."""
    return any("userns" in option for option in info.get("SecurityOptions") or [])


def find_image(client: Any, reference: str) -> Any:
    """The local image ``reference``; it is not pulled, since an image may be 15 GB.

    Raises:
        UsageError: It is not on this machine; the message says how to get it.
    """
    from docker.errors import APIError, ImageNotFound, NullResource

    try:
        return client.images.get(reference)
    except (ImageNotFound, NullResource):
        built = "it" if reference == CPU_IMAGE else f"{CPU_IMAGE} and use that"
        raise UsageError(
            f"--image: {reference!r} is not on this machine; run `docker pull {reference}`, "
            f"or docker/build to build {built}"
        ) from None
    except APIError as error:
        raise UsageError(f"--image: {reference!r} is not an image reference: {error.explanation}") from None


def _why_unreachable(error: Exception) -> str:
    text = str(error)
    socket = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if "Permission denied" in text or "PermissionError" in text:
        return (
            f"no permission to talk to the Docker engine at {socket}; "
            "run `sudo usermod -aG docker $USER` and log in again, or use --launch embedded"
        )
    return (
        f"no Docker engine answers at {socket}; start it (`sudo systemctl start docker`), "
        "set DOCKER_HOST, or use --launch embedded"
    )
