"""A KServe InferenceService for the Triton runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotune.report.deploy._kubernetes import claim, claim_name, probes, shared_memory_volume

if TYPE_CHECKING:
    from autotune.report.deploy._service import Service

FILE = "kserve.yaml"
_HTTP_PORT = 8080  # of KServe's runtime kserve-tritonserver, which puts the models into /mnt/models


def comments(service: Service) -> list[str]:
    """What starts it."""
    return [
        f"Serves {service.models[0]}: kubectl apply -f {FILE}",
        f"The volume of the claim {claim_name(service)} must hold the files of this directory.",
    ]


def documents(service: Service) -> list[dict[str, Any]]:
    """The manifests. KServe appends the arguments to those of its runtime."""
    inference_service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": service.name},
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": "triton", "version": "2"},
                    "runtime": "kserve-tritonserver",
                    "protocolVersion": "v2",
                    "storageUri": f"pvc://{claim_name(service)}",
                    "image": service.image,
                    "args": service.server_arguments,
                    "resources": service.kubernetes_resources,
                    **probes(service, _HTTP_PORT),
                    "volumeMounts": [
                        {"name": "shared-memory", "mountPath": "/dev/shm"}  # noqa: S108 - the Python backend uses it
                    ],
                },
                "volumes": [shared_memory_volume()],
            }
        },
    }
    return [claim(service), inference_service]
