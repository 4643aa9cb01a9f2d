"""Values of the Helm chart in Triton's repository, ``deploy/k8s-onprem``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.report.deploy._kubernetes import claim_name, models_volume, shared_memory_volume
from autotune.report.deploy._service import MODELS

if TYPE_CHECKING:
    from autotune.report.deploy._service import Service

FILE = "helm-values.yaml"


def comments(service: Service) -> list[str]:
    """What uses it."""
    return [
        f"Serves {service.models[0]}: helm install {service.name} CHART -f {FILE}",
        "CHART is deploy/k8s-onprem of triton-inference-server/server, 2025 or later; its template has the probes.",
        f"The volume of the claim {claim_name(service)} must exist and hold the files of this directory.",
    ]


def documents(service: Service) -> list[dict[str, Any]]:
    """The values."""
    return [
        {
            "image": {"imageName": service.image, "pullPolicy": "IfNotPresent", "numGpus": service.gpus},
            "serverArgs": service.command[1:],
            "resources": service.kubernetes_resources,
            "volumes": [models_volume(service), shared_memory_volume()],
            "volumeMounts": [
                {"name": "models", "mountPath": MODELS, "readOnly": True},
                {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - the Python backend uses it
            ],
        }
    ]
