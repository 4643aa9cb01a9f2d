"""Checks the launch options before anything is started."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from autotune.errors import UsageError
from autotune.server._arguments import check_extra_arguments
from autotune.server._options import LaunchOptions
from autotune.server._ports import check_distinct_ports

LEAST_MEMORY_BYTES = 6 << 20  # the Docker engine's minimum
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(?P<number>\d{1,15}(\.\d{1,15})?)(?P<unit>b|[kmgt]?)b?", re.IGNORECASE)
_CPUS = re.compile(r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*")
_GPUS = re.compile(r"auto|none|all|{id}(,{id})*".format(id=r"\s*(\d+|(GPU|MIG)-[\w/-]+)\s*"))
_USER = re.compile(r"(\d{1,10})(?::(\d{1,10}))?", re.ASCII)
_HIGHEST_ID = 2**31 - 1  # the Docker engine's
_OWN_PLACES = ("/models", "/autotune/models")  # where the staged repository is in a container
# Flags that only some modes use: the field, and those modes.
_ONLY_FOR: dict[str, tuple[str, tuple[str, ...]]] = {
    "--image": ("image", ("docker",)),
    "--mount": ("mounts", ("docker",)),
    "--container-user": ("container_user", ("docker",)),
    "--writable-container": ("writable_container", ("docker",)),
    "--memory": ("memory", ("docker",)),
    "--shm-size": ("shm_size", ("docker",)),
    "--cpuset-cpus": ("cpuset_cpus", ("docker",)),
    "--gpus": ("gpus", ("docker",)),
    "--url": ("url", ("remote",)),
    "--triton-path": ("triton_path", ("local",)),
    "--http-port": ("http_port", ("docker", "local", "embedded")),
    "--grpc-port": ("grpc_port", ("docker", "local", "embedded")),
    "--triton-arg": ("triton_args", ("docker", "local", "embedded")),
}


def check_options(options: LaunchOptions) -> None:
    """Raises `UsageError` for a value that no launch mode accepts; the message names the flag."""
    if options.memory is not None and parse_size("--memory", options.memory) < LEAST_MEMORY_BYTES:
        raise UsageError(
            f"--memory: {options.memory!r} is below the engine's minimum, 6m; give what the model needs, such as 4g"
        )
    if options.shm_size is not None:
        parse_size("--shm-size", options.shm_size)
    if options.cpuset_cpus is not None:
        highest_cpu(options.cpuset_cpus)
    if _GPUS.fullmatch(options.gpus) is None:
        raise UsageError(f"--gpus: {options.gpus!r} is none of auto, none, all or ids such as 0,1; use one of these")
    parse_mounts(options.mounts)
    if options.container_user is not None:
        parse_user(options.container_user)
    check_extra_arguments(options.triton_args)
    check_distinct_ports(options.http_port, options.grpc_port)


def check_mode_uses(mode: str, options: LaunchOptions, why: str) -> None:
    """Raises `UsageError`, which names the flags that the launch mode ignores.

    Args:
        mode: The launch mode that was chosen.
        options: What was asked for.
        why: Why this mode, for the error; empty if it was asked for.
    """
    default = LaunchOptions()
    ignored = {
        flag: modes
        for flag, (name, modes) in _ONLY_FOR.items()
        if mode not in modes and getattr(options, name) != getattr(default, name)
    }
    if ignored:
        modes = next(iter(ignored.values()))
        flags = [flag for flag, others in ignored.items() if others == modes]
        chosen = f" (chosen: {why})" if why else ""
        drop = f"drop {'it' if len(flags) == 1 else 'them'}, or use --launch {modes[0]}"
        raise UsageError(f"{', '.join(flags)}: no effect with --launch {mode}{chosen}; {drop}")


def parse_size(flag: str, text: str) -> int:
    """Bytes of ``512m`` or ``4g`` (powers of 1024, as Docker's); raises `UsageError`, which names ``flag``."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match["number"]) * _UNITS[match["unit"].lower()]) if match else 0
    if size == 0:
        raise UsageError(f"{flag}: {text!r} is not a size; write one such as 512m or 4g")
    return size


def highest_cpu(text: str) -> int:
    """The highest CPU in ``0-3,8``; raises `UsageError` if it is not of that form."""
    ranges = [each.split("-") for each in text.split(",")] if _CPUS.fullmatch(text) else []
    if not ranges or any(int(each[0]) > int(each[-1]) for each in ranges):
        raise UsageError(f"--cpuset-cpus: {text!r} is not a list of CPUs; write one such as 0-3 or 0,2")
    return max(int(each[-1]) for each in ranges)


def parse_user(text: str) -> tuple[int, int]:
    """The ids of ``UID`` or ``UID:GID``; the group has the user's number by default. Raises `UsageError`."""
    match = _USER.fullmatch(text)
    if match is None:
        raise UsageError(f"--container-user: {text!r} is not UID or UID:GID; write numbers such as 1000:1000")
    uid, gid = int(match[1]), int(match[2] or match[1])
    if uid == 0:
        raise UsageError(f"--container-user: {text!r} is root; give another user, such as 1000")
    if max(uid, gid) > _HIGHEST_ID:
        raise UsageError(f"--container-user: {text!r} is above {_HIGHEST_ID}, the engine's highest; give a smaller one")
    return uid, gid


def parse_mounts(mounts: Sequence[str]) -> list[str]:
    """Each as `parse_mount`; raises `UsageError` too if two have one place, or one that autotune needs."""
    parsed, given = [], dict[str, str]()
    for text in mounts:
        parsed.append(parse_mount(text))
        target = posixpath.normpath(parsed[-1].rsplit(":", 2)[1])
        if target in given:
            raise UsageError(f"--mount: {text!r} has the same place as {given[target]!r}; give each its own CONTAINER")
        if target == "/" or any(f"{target}/".startswith(f"{each}/") for each in _OWN_PLACES):
            raise UsageError(f"--mount: {text!r} hides the served models in the container; choose another CONTAINER")
        given[target] = text
    return parsed


def parse_mount(text: str) -> str:
    """``HOST:CONTAINER[:ro|rw]`` with an absolute host path, read-only unless ``rw``; raises `UsageError`."""
    parts = text.split(":")
    mode = parts.pop() if len(parts) == 3 else "ro"
    if len(parts) != 2 or not parts[1].startswith("/") or mode not in ("ro", "rw"):
        raise UsageError(f"--mount: {text!r} is not HOST:CONTAINER or HOST:CONTAINER:rw with an absolute CONTAINER")
    try:
        host = Path(parts[0]).expanduser().absolute()
        found = host.exists()
    except (OSError, RuntimeError, ValueError):  # too long, nobody's home, or no name at all
        host, found = Path(parts[0]), False
    if not found:
        raise UsageError(f"--mount: {host} does not exist; give a file or directory of this machine")
    return f"{host}:{parts[1]}:{mode}"
