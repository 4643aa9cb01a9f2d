"""The command line of ``tritonserver``, the same for a process and a container."""

from __future__ import annotations

from collections.abc import Sequence

from autotune.server._ports import Ports


def triton_arguments(
    *,
    server_id: str,
    repository: str,
    model: str,
    address: str,
    ports: Ports,
    stop_grace_s: float,
    complete_config: bool,
    extra: Sequence[str],
) -> list[str]:
    """Arguments for one model under explicit control; ``extra`` comes last and so has the last word.

    Args:
        server_id: Comes back in ``/v2``, which tells this server from a stranger on the same port.
        repository: The repository as the server sees it.
        model: Loaded at startup; the server exits where that fails.
        address: What its listeners bind to.
        ports: Their ports.
        stop_grace_s: Seconds it may wait for its models when asked to end.
        complete_config: Whether Triton has anything to complete in the config from the model.
        extra: A person's own arguments.
    """
    arguments = [
        f"--id={server_id}",
        f"--model-repository={repository}",
        "--model-control-mode=explicit",
        f"--load-model={model}",
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
        # Nobody scrapes a trial's server, and looking for GPU metrics delays its start.
        arguments.append("--allow-metrics=false")
    return [*arguments, *extra]


def _mention(arguments: Sequence[str], *beginnings: str) -> bool:
    return any(argument.startswith(beginnings) for argument in arguments)
