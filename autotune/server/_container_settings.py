"""Settings of a server's container: limits, mounts, devices, and a user that can read the model.

A container may do what serving takes and no more: it has no privileges and cannot gain any, writes to temporary memory
only, and sees the files of its model repository and the mounts that were asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from autotune.errors import UsageError
from autotune.server._checks import highest_cpu, parse_mounts, parse_size, parse_user
from autotune.server._engine import cpu_count, has_gpu, is_remapped, is_rootless
from autotune.server._options import LaunchOptions

_MOST_THREADS = 16_384  # guess: far above what Triton and its models start, far below what a machine bears
_TEMPORARY = {"/tmp": "rw,exec,nosuid,nodev,mode=1777"}  # noqa: S108 - exec: packed Python environments lie there
_DEFAULT_SHM = "1g"  # pages are allocated on use; the engine's 64 MB are too small for several Python instances


def container_settings(options: LaunchOptions, info: dict[str, Any], repository: Path | None) -> dict[str, Any]:
    """Limits, mounts, devices and user, as ``containers.create`` takes them.

    Without a repository, they are those that all servers share.

    Raises:
        UsageError: A mount, the CPUs or a GPU request cannot be met.
    """
    from docker.types import LogConfig

    settings: dict[str, Any] = {
        **_user(options, info),
        **_mounts(options, repository),
        "shm_size": parse_size("--shm-size", options.shm_size or _DEFAULT_SHM),
        # The log must be readable whatever the engine's default driver is.
        "log_config": LogConfig(type=LogConfig.types.JSON),
        "device_requests": _devices(options.gpus, info),
        "security_opt": ["no-new-privileges"],
        "cap_drop": ["ALL"],
        "pids_limit": _MOST_THREADS,
    }
    if settings["user"] == "0:0" and not is_rootless(info):  # root without it reads only files of its own
        settings["cap_add"] = ["DAC_OVERRIDE"]
    # The NVIDIA toolkit writes the libraries' cache as the container starts.
    if not options.writable_container and not settings["device_requests"]:
        settings |= {"read_only": True, "tmpfs": _TEMPORARY, "environment": {"HOME": "/tmp"}}  # noqa: S108
    if options.memory:
        settings["mem_limit"] = settings["memswap_limit"] = parse_size("--memory", options.memory)
    if options.cpuset_cpus:
        _check_cpus(options.cpuset_cpus, cpu_count(info))
        settings["cpuset_cpus"] = options.cpuset_cpus
    return settings


def container_path(repository: Path) -> str:
    """Where the staged repository is in the container: not where its links lead to."""
    targets = _link_targets(repository)
    return "/models" if not any(target.is_relative_to("/models") for target in targets) else "/autotune/models"


def _user(options: LaunchOptions, info: dict[str, Any]) -> dict[str, Any]:
    """The user who runs the study, with all groups: the server can read the same files, whatever the image's user.

    A user that was asked for has none of these groups.
    """
    user: dict[str, Any]
    if options.container_user is not None:
        uid, gid = parse_user(options.container_user)
        if is_rootless(info):
            raise UsageError(
                "--container-user: this Docker engine is rootless: root in its containers is you; drop the flag"
            )
        if options.share_memory and uid != os.getuid():
            raise UsageError(
                "--container-user: with --shared-memory system, tensors are files that only you may read; "
                "drop one of the two"
            )
        user = {"user": f"{uid}:{gid}"}
    elif is_rootless(info):
        return {"user": "0:0"}
    else:
        user = {"user": f"{os.getuid()}:{os.getgid()}", "group_add": [str(group) for group in os.getgroups()]}
    if is_remapped(info):  # with userns-remap, ids differ outside and host networking is refused
        user["userns_mode"] = "host"
    return user


def _mounts(options: LaunchOptions, repository: Path | None) -> dict[str, list[Any]]:
    """The staged repository, what its links lead to, and the mounts that were asked for."""
    from docker.types import Mount

    own = dict[str, str]()
    if repository is not None:
        own = {str(repository.resolve()): container_path(repository)}
        own |= {str(target): str(target) for target in _link_targets(repository)}
    return {
        "volumes": [f"{source}:{target}:ro" for source, target in own.items() if ":" not in source]
        + parse_mounts(options.mounts),
        # A colon ends a path in the short form.
        "mounts": [Mount(target, source, "bind", read_only=True) for source, target in own.items() if ":" in source],
    }


def _link_targets(repository: Path) -> list[Path]:
    """Targets of absolute links in the repository; each is mounted at the same path in the container.

    Links beside the models lead into one directory, the person's repository, which is mounted as a whole.
    """
    root = repository.resolve()
    targets = set()
    for directory, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(directory, name)
            if path.is_symlink() and path.exists() and not path.resolve().is_relative_to(root):
                target = Path(os.path.normpath(path.parent / os.readlink(path)))
                targets.add(target.parent if path.parent == root and target.parent != Path("/") else target)
    return sorted(targets)


def _check_cpus(text: str, count: int) -> None:
    highest = highest_cpu(text)
    if count and highest >= count:
        raise UsageError(
            f"--cpuset-cpus: {text!r} asks for CPU {highest}; this machine has 0 to {count - 1}, use these"
        )


def _devices(gpus: str, info: dict[str, Any]) -> list[Any]:
    from docker.types import DeviceRequest

    if gpus == "none" or (gpus == "auto" and not has_gpu(info)):
        return []
    if not has_gpu(info):
        raise UsageError(
            f"--gpus: {gpus!r} asks for GPUs, but the Docker engine has no nvidia runtime; "
            "install the NVIDIA container toolkit, or use --gpus none"
        )
    if gpus in ("auto", "all"):
        return [DeviceRequest(count=-1, capabilities=[["gpu"]])]
    return [DeviceRequest(device_ids=[each.strip() for each in gpus.split(",")], capabilities=[["gpu"]])]
