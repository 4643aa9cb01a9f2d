"""KubeRay's job: its pods are valid, and its command is one that `autotune run` takes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotune.cli._command import make_command
from autotune.request import RunRequest

DOCKER = Path(__file__).parents[2] / "docker"
FILES = DOCKER / "kuberay"


def job() -> dict[str, Any]:
    (name,) = yaml.safe_load((FILES / "kustomization.yaml").read_text())["resources"]
    found: dict[str, Any] = yaml.safe_load((FILES / name).read_text())
    return found


def pods() -> dict[str, dict[str, Any]]:
    cluster = job()["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return {"head": cluster["headGroupSpec"]["template"], "worker": workers["template"]}


@pytest.mark.parametrize("which", ["head", "worker"])
def test_pods_are_valid(which: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    pod = pods()[which]
    named = {**pod["metadata"], "name": which}
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod["spec"]}, "1.30", strict=True)
    (container,) = pod["spec"]["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["spec"]["volumes"]}


def test_the_command_is_a_run_on_the_jobs_own_cluster() -> None:
    program, command, *flags = shlex.split(job()["spec"]["entrypoint"])
    seen: list[RunRequest] = []
    make_command("run", "Runs.", RunRequest, seen.append).main(flags, standalone_mode=False)

    assert (program, command) == ("autotune", "run")
    assert seen[0].on_ray()
    assert seen[0].address == "auto"
    assert seen[0].goal().ceilings
    mounted = {name: _mounts(pod) for name, pod in pods().items()}
    assert str(seen[0].results) in mounted["head"]
    assert all(str(seen[0].model_repository) in each for each in mounted.values())


def test_trials_run_on_workers_only_and_take_what_these_have() -> None:
    head = job()["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]
    assert (head["num-cpus"], head["num-gpus"]) == ("0", "0")
    (container,) = pods()["worker"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert RunRequest().resources() == {"GPU": 1.0}


def test_ray_is_the_pinned_one_and_claims_are_those_of_the_service() -> None:
    version = job()["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray=={version}" in (DOCKER.parent / "constraints.txt").read_text()
    assert f"ray[default]=={version}" in (FILES / "Dockerfile").read_text()
    volumes = yaml.safe_load_all((DOCKER / "service" / "kubernetes" / "volumes.yaml").read_text())
    claims = {each["metadata"]["name"] for each in volumes}
    for pod in pods().values():
        for volume in pod["spec"]["volumes"]:
            assert "emptyDir" in volume or volume["persistentVolumeClaim"]["claimName"] in claims


def _mounts(pod: dict[str, Any]) -> set[str]:
    (container,) = pod["spec"]["containers"]
    return {each["mountPath"] for each in container["volumeMounts"]}
