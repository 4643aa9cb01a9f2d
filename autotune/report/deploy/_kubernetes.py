"""Kubernetes manifests: a claim for the models, a Deployment with probes, and a Service."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from autotune.report.deploy._service import GRPC_PORT, HTTP_PORT, METRICS_PORT, MODELS, SHARED_MEMORY_BYTES

if TYPE_CHECKING:
    from autotune.report.deploy._service import Service

FILE = "kubernetes.yaml"
_PORTS = {"http": HTTP_PORT, "grpc": GRPC_PORT, "metrics": METRICS_PORT}


def comments(service: Service) -> list[str]:
    """What starts it."""
    return [
        f"Serves {service.models[0]}: kubectl apply -f {FILE}",
        f"The volume of the claim {claim_name(service)} must hold the files of this directory.",
    ]


def documents(service: Service) -> list[dict[str, Any]]:
    """The manifests."""
    labels = {"app.kubernetes.io/name": service.name}
    container = {
        "name": "triton",
        "image": service.image,
        "command": service.command,
        "ports": [{"name": name, "containerPort": port} for name, port in _PORTS.items()],
        "resources": service.kubernetes_resources,
        **probes(service, HTTP_PORT),
        "volumeMounts": [
            {"name": "models", "mountPath": MODELS, "readOnly": True},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - Triton's Python backend uses it
        ],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": service.name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "volumes": [models_volume(service), shared_memory_volume()]},
            },
        },
    }
    exposed = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service.name, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": name, "port": port, "targetPort": name} for name, port in _PORTS.items()],
        },
    }
    return [claim(service), deployment, exposed]


def claim_name(service: Service) -> str:
    """The name of the claim for the models."""
    return f"{service.name}-models"


def claim(service: Service) -> dict[str, Any]:
    """A claim for a volume that holds the models, with room for as much again."""
    size = max(1, math.ceil(2 * service.repository_bytes / (1 << 30)))
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim_name(service)},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size}Gi"}}},
    }


def models_volume(service: Service) -> dict[str, Any]:
    """The volume with the models."""
    return {"name": "models", "persistentVolumeClaim": {"claimName": claim_name(service)}}


def shared_memory_volume() -> dict[str, Any]:
    """A larger ``/dev/shm``: a container's 64 MB are too small for several Python instances."""
    size = f"{SHARED_MEMORY_BYTES >> 20}Mi"
    return {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": size}}


def probes(service: Service, port: int) -> dict[str, Any]:
    """Probes of Triton's health endpoints; a start may take much longer than it took in the study."""

    def get(path: str) -> dict[str, Any]:
        return {"path": f"/v2/health/{path}", "port": port}

    return {
        "startupProbe": {
            "httpGet": get("ready"),
            "periodSeconds": service.start_interval_s,
            "failureThreshold": service.start_looks,
        },
        "readinessProbe": {"httpGet": get("ready"), "periodSeconds": 5},
        "livenessProbe": {"httpGet": get("live"), "periodSeconds": 10},
    }
