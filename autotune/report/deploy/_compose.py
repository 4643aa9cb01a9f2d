"""A Docker Compose file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.report.deploy._service import GRPC_PORT, HTTP_PORT, METRICS_PORT, MODELS

if TYPE_CHECKING:
    from autotune.report.deploy._service import Service

FILE = "compose.yaml"
# Bash alone, since not every image of Triton has curl.
_READY = (
    f"exec 3<>/dev/tcp/localhost/{HTTP_PORT} && printf 'GET /v2/health/ready HTTP/1.0\\r\\n\\r\\n' >&3"
    " && grep -q ' 200 ' <&3"
)
_LIMITS = {"memory": "mem_limit", "cpuset-cpus": "cpuset"}


def comments(service: Service) -> list[str]:
    """What starts it."""
    return [f"Serves {service.models[0]}: docker compose up --wait"]


def documents(service: Service) -> list[dict[str, Any]]:
    """One service that mounts the directory of this file."""
    described: dict[str, Any] = {
        "image": service.image,
        "command": service.command,
        "ports": [f"{port}:{port}" for port in (HTTP_PORT, GRPC_PORT, METRICS_PORT)],
        "volumes": [{"type": "bind", "source": ".", "target": MODELS, "read_only": True}],
        "shm_size": service.limits.get("shm-size", "1g"),
        **{key: service.limits[flag] for flag, key in _LIMITS.items() if flag in service.limits},
        "healthcheck": {
            "test": ["CMD", "bash", "-c", _READY],
            "interval": "5s",
            "start_period": f"{service.start_interval_s * service.start_looks}s",
        },
        "deploy": {"resources": _resources(service)},
        "restart": "unless-stopped",
    }
    return [{"services": {service.name: described}}]


def _resources(service: Service) -> dict[str, Any]:
    reserved: dict[str, Any] = {"cpus": f"{service.cores:g}"}
    if service.memory_mib is not None and "memory" not in service.limits:
        reserved["memory"] = f"{service.memory_mib}M"
    if service.gpus:
        reserved["devices"] = [{"driver": "nvidia", "count": service.gpus, "capabilities": ["gpu"]}]
    return {"reservations": reserved}
