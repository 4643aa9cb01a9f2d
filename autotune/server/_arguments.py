"""The command line of ``tritonserver``, the same for a process and a container."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.errors import UsageError
from autotune.server._config_arguments import without_config_name
from autotune.server._ports import Ports

# Arguments that the user may not set, and what to use instead.
_RESERVED = {
    "--id": "",
    "--model-repository": "use autotune's --model-repository",
    "--model-store": "use autotune's --model-repository",
    "--model-control-mode": "",
    "--load-model": "use autotune's --model",
    "--http-address": "",
    "--http-port": "use autotune's --http-port",
    "--grpc-address": "",
    "--grpc-port": "use autotune's --grpc-port",
    "--allow-http": "",
    "--allow-grpc": "",
    "--log-file": "",
    "--exit-on-error": "",
    "--exit-timeout-secs": "",
}
_OTHER_OWN = ("--disable-auto-complete-config", "--allow-metrics")


def check_extra_arguments(extra: Sequence[str], given_by: str = "--triton-arg") -> None:
    """Raises `UsageError` if an argument, named as of ``given_by``, sets an option that autotune sets itself."""
    for argument in extra:
        name = argument.partition("=")[0]
        if len(name) <= len("--") or not name.startswith("--"):
            continue
        # Triton accepts any unambiguous prefix of an option.
        taken = [option for option in _RESERVED if option.startswith(name)]
        if taken:
            remedy = _RESERVED[taken[0]] or "leave it out"
            raise UsageError(f"{given_by}: {name!r} is set by autotune; {remedy}")


def own_option(words: str) -> str | None:
    """The option set by autotune that Triton's message names; None if the user set it."""
    return next((option for option in (*_RESERVED, *_OTHER_OWN) if f"'{option}'" in words), None)


def triton_arguments(
    *,
    server_id: str,
    repository: str,
    models: Sequence[str],
    address: str,
    ports: Ports,
    stop_grace_s: float,
    complete_config: bool,
    extra: Sequence[str],
) -> list[str]:
    """Arguments for some models under explicit control; ``extra`` comes last and wins.

    Args:
        server_id: Returned by ``/v2``; distinguishes this server from another one on the same port.
        repository: The repository as the server sees it.
        models: Loaded at startup; the server exits if that fails.
        address: Address that the server binds to.
        ports: Ports that the server binds to.
        stop_grace_s: Seconds that the server may wait for its models when it is stopped.
        complete_config: Whether Triton has anything to complete in the config from the model.
        extra: The user's arguments.
    """
    arguments = [
        f"--id={server_id}",
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        *(f"--load-model={each}" for each in models),
        f"--http-address={address}",
        f"--http-port={ports.http}",
        f"--grpc-address={address}",
        f"--grpc-port={ports.grpc}",
        f"--exit-timeout-secs={max(1, round(stop_grace_s))}",
    ]
    if not complete_config and not _mention(extra, "--strict-model-config"):
        arguments.append("--disable-auto-complete-config")
    if _mention(extra, "--allow-metrics", "--metrics-"):
        arguments.append(f"--metrics-port={ports.metrics}")
    else:
        # Nothing reads a trial's metrics, and GPU metrics delay the start.
        arguments.append("--allow-metrics=false")
    return [*arguments, *without_config_name(extra)]


def _mention(arguments: Sequence[str], *beginnings: str) -> bool:
    return any(argument.startswith(beginnings) for argument in arguments)
