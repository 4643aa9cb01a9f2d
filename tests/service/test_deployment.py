"""The files that bring the service up: valid, and with options that the command has."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotune.cli._serve import REQUEST
from autotune.request import RunRequest, options_of

FILES = Path(__file__).parents[2] / "docker" / "service"
KUBERNETES = FILES / "kubernetes"


def manifests() -> list[dict[str, Any]]:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    return [each for name in kustomization["resources"] for each in yaml.safe_load_all((KUBERNETES / name).read_text())]


def test_manifests_are_valid() -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    kinds = [each["kind"] for each in manifests()]
    assert kinds == ["PersistentVolumeClaim", "PersistentVolumeClaim", "Deployment", "Service", "NetworkPolicy"]
    for each in manifests():
        validate(each, "1.30", strict=True)


def test_manifests_fit_together() -> None:
    claims = {each["metadata"]["name"] for each in manifests() if each["kind"] == "PersistentVolumeClaim"}
    (pod,) = (each["spec"]["template"] for each in manifests() if each["kind"] == "Deployment")
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    (container,) = pod["spec"]["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    named = {each["persistentVolumeClaim"]["claimName"] for each in volumes.values() if "persistentVolumeClaim" in each}
    assert named == claims
    (service,) = (each for each in manifests() if each["kind"] == "Service")
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] in {each["name"] for each in container["ports"]}


def test_commands_have_options_that_exist() -> None:
    compose = yaml.safe_load((FILES / "compose.yaml").read_text())
    (deployment,) = (each for each in manifests() if each["kind"] == "Deployment")
    known = {each.flag for each in options_of(REQUEST).values()}
    commands = (
        compose["services"]["service"]["command"],
        deployment["spec"]["template"]["spec"]["containers"][0]["args"],
    )
    for command, *arguments in commands:
        assert command == "serve"
        assert {each.partition("=")[0] for each in arguments} <= known


def test_compose_writes_any_password_as_libpq_reads_it(tmp_path: Path) -> None:
    """In a password file ':' and the backslash are escaped (PostgreSQL 16 documentation, section 34.16)."""
    (tmp_path / "password").write_text("a:b\\c'd e\n")
    script = yaml.safe_load((FILES / "compose.yaml").read_text())["services"]["service"]["entrypoint"][2]
    script = script.replace("$$", "$").replace("/run/secrets/postgres-password", str(tmp_path / "password"))
    script = script.replace("/tmp/.pgpass", str(tmp_path / ".pgpass")).replace("exec autotune", "exec true")  # noqa: S108
    subprocess.run(["sh", "-c", script], check=True)
    assert (tmp_path / ".pgpass").read_text() == "database:5432:autotune:autotune:a\\:b\\\\c'd e\n"
    assert (tmp_path / ".pgpass").stat().st_mode & 0o077 == 0


def test_the_url_in_the_secret_of_kubernetes_is_taken_as_it_is(tmp_path: Path) -> None:
    """Kustomize keeps a line end at the end of a file, and an option with one is refused."""
    (line,) = (each for each in (KUBERNETES / "kustomization.yaml").read_text().splitlines() if "/storage" in each)
    command, _, file = line.strip("# ").partition(" > ")
    subprocess.run(["sh", "-c", f"{command} > {tmp_path / 'storage'}"], check=True)
    assert file.startswith("docker/service/kubernetes/storage")
    assert RunRequest(storage=(tmp_path / "storage").read_text()).storage is not None


def test_a_new_container_finds_the_jobs_of_the_one_before() -> None:
    """A runner is named by its host and results; the name of a container or a pod is another one each time."""
    compose = yaml.safe_load((FILES / "compose.yaml").read_text())
    (pod,) = (each["spec"]["template"]["spec"] for each in manifests() if each["kind"] == "Deployment")
    assert compose["services"]["service"]["hostname"] == pod["hostname"] == "autotune"


@pytest.mark.parametrize("path", [FILES / "run.yaml", KUBERNETES / "run.yaml"], ids=lambda path: path.parent.name)
def test_options_of_runs_exist(path: Path) -> None:
    request = REQUEST(repositories=(f"models={FILES}",), run_config=str(path))
    assert request.run_options() == {"launch": "embedded"}
    assert {"launch"} <= {each.flag.removeprefix("--") for each in options_of(RunRequest).values()}


def test_compose_keeps_the_password_out_of_the_command() -> None:
    service = yaml.safe_load((FILES / "compose.yaml").read_text())["services"]["service"]
    (storage,) = (each for each in service["command"] if each.startswith("--storage"))
    assert ":" not in storage.partition("//")[2].partition("@")[0]
    assert service["ports"] == ["127.0.0.1:8090:8090"]
