"""A study's models as a new repository, with deployment files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from stored_trials import HERE, OBJECTIVE, outcome
from tiny_models import write_model

from autotune.cli import main
from autotune.environment import Gpu
from autotune.errors import UsageError
from autotune.report._export import without_header
from autotune.report.deploy import FORMATS, ExportedRepository, Service, docker_run, export_repository
from autotune.report.deploy._formats import render
from autotune.report.deploy._service import deployed_image
from autotune.search import StudyResult
from autotune.search._result import summarise
from autotune.store import Store, TrialRecord, database_url

LAUNCH = {"mode": "docker", "image": "registry/triton:1", "arguments": "--model-config-name=x --log-verbose=1"}
GPUS = (Gpu("H200", "570", 144_384), Gpu("H200", "570", 144_384))
CONFIG = '# chosen with care\nbackend: "python"\nmax_batch_size: 4  # at first\n'
SERVED = 'name: "mnist" backend: "python" max_batch_size: {}'


def trial(number: int, batch: int, **launch: str) -> TrialRecord:
    served = outcome(configs={"mnist": SERVED.format(batch), "vocab": 'name: "vocab" backend: "python"'})
    environment = replace(HERE, launch=LAUNCH | launch, gpus=GPUS)
    label = "proposed" if number else "baseline"
    return TrialRecord(number, number, label, served, "trial", "mnist", datetime.now(timezone.utc), environment)


def study() -> StudyResult:
    trials = (trial(0, 4), trial(1, 8))
    return summarise(study="s", model="mnist", objective=OBJECTIVE, trials=trials, storage="sqlite://")


def service(**launch: str) -> Service:
    return Service.of(trial(1, 8, **launch), None, 3 << 30)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    write_model(models, "mnist", CONFIG, "")
    write_model(models, "vocab", '# as it was\nbackend: "python"\n', "")
    write_model(models, "stranger", CONFIG, "")
    (models / "words.txt").write_text("beside")
    (models / ".git").mkdir()
    return models


def export(repository: Path, to: Path, **options: Any) -> ExportedRepository:
    return export_repository(study(), to, repository, number=1, **{"launch": None, **options})


def test_it_has_all_models_and_what_lies_beside_them_and_shares_no_file(repository: Path, tmp_path: Path) -> None:
    (repository / "mnist" / "1" / "weights").symlink_to(repository / "words.txt")
    exported = export(repository, tmp_path / "new" / "out")
    files = sorted(str(path.relative_to(exported.path)) for path in exported.path.rglob("*") if path.is_file())
    assert files == [
        "mnist/1/model.py",
        "mnist/1/weights",
        "mnist/config.pbtxt",
        "vocab/1/model.py",
        "vocab/config.pbtxt",
        "words.txt",
    ]
    assert not any(path.is_symlink() or path.stat().st_nlink > 1 for path in exported.path.rglob("*.*"))
    assert exported.models == ("mnist", "vocab")
    assert list(exported.path.parent.iterdir()) == [exported.path]


def test_the_current_directory_may_be_the_new_one(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert f"-v {tmp_path / 'out'}:/models:ro" in export(repository, Path()).command
    assert sorted(path.name for path in Path().iterdir()) == ["mnist", "vocab", "words.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "out"]


def test_a_place_that_cannot_be_written_is_named(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"--to: cannot write /proc/out: .*; name another directory"):
        export(repository, Path("/proc/out"))


def test_a_tuned_config_differs_from_the_persons_in_its_tuned_fields_only(repository: Path, tmp_path: Path) -> None:
    directory = export(repository, tmp_path / "out").path
    text = (directory / "mnist" / "config.pbtxt").read_text()
    assert text.startswith("# mnist: highest throughput with p99 <= 5ms\n# Found by autotune")
    assert "Save it as" not in text  # of --model-config-name
    assert without_header(text) == CONFIG.replace("size: 4", "size: 8") + 'name: "mnist"\n'
    assert (directory / "vocab" / "config.pbtxt").read_text() == '# as it was\nbackend: "python"\nname: "vocab"\n'

    (repository / "mnist" / "config.pbtxt").write_text(text)  # the person took it over
    again = (export(repository, tmp_path / "again").path / "mnist" / "config.pbtxt").read_text()
    assert again == text


@pytest.mark.parametrize("name", FORMATS)
def test_a_deployment_file_serves_every_model_with_the_resources_of_the_study(name: str) -> None:
    text = render(FORMATS[name], service())
    assert "&id" not in text  # an anchor
    assert "# The study gave the server 1.5 CPUs; its memory was 954 MiB.\n" in text
    for needed in ("--load-model=mnist", "--load-model=vocab", "--log-verbose=1", "registry/triton:1"):
        assert needed in text
    assert "model-config-name" not in text
    assert "1.5" in str(list(yaml.safe_load_all(text)))


def test_kubernetes_objects_refer_to_each_other() -> None:
    claim, deployment, exposed = yaml.safe_load_all(render(FORMATS["kubernetes"], service()))
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"] == exposed["spec"]["selector"]
    (container,) = pod["spec"]["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["spec"]["volumes"]}
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "6Gi"
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert {each["targetPort"] for each in exposed["spec"]["ports"]} == set(ports)
    probes = [container[each]["httpGet"] for each in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert [each["path"].rpartition("/")[2] for each in probes] == ["ready", "ready", "live"]
    assert {each["port"] for each in probes} == {ports["http"]}
    assert container["resources"] == {
        "requests": {"cpu": "1.5", "memory": "1472Mi"},
        "limits": {"cpu": "1.5", "nvidia.com/gpu": "2"},
    }


def test_kubernetes_manifests_are_valid() -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    manifests = [*yaml.safe_load_all(render(FORMATS["kubernetes"], service(limits="memory=4g gpus=none")))]
    claim, kserve = yaml.safe_load_all(render(FORMATS["kserve"], service()))
    # KServe's predictor is a pod with a model, and the model is a container with four fields more.
    predictor = kserve["spec"]["predictor"]
    container = {"name": "kserve-container", **predictor.pop("model")}
    for own in ("modelFormat", "runtime", "protocolVersion", "storageUri"):
        assert container.pop(own)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": kserve["metadata"]}
    for each in (*manifests, claim, {**pod, "spec": {**predictor, "containers": [container]}}):
        validate(each, "1.30", strict=True)


@pytest.mark.parametrize("limits", ["memory=4g gpus=0,1", "cpuset-cpus=0-3 gpus=none", "gpus=all"])
def test_a_compose_file_is_valid(limits: str) -> None:
    package = pytest.importorskip("check_jsonschema.builtin_schemas", reason="it has the schema of Compose files")
    schema = resources.files(package) / "vendor" / "compose-spec.json"
    described = yaml.safe_load(render(FORMATS["compose"], service(limits=limits)))
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(described)] == []
    described["services"]["triton-mnist"]["helth"] = {}  # the schema would find a misspelled key
    assert list(validator.iter_errors(described))


def test_helm_values_are_those_that_the_chart_has() -> None:
    # Read by templates/deployment.yaml of deploy/k8s-onprem, triton-inference-server/server, r25.01 and later.
    (values,) = yaml.safe_load_all(render(FORMATS["helm-values"], service()))
    assert values.keys() == {"image", "serverArgs", "resources", "volumes", "volumeMounts"}
    assert values["image"].keys() == {"imageName", "pullPolicy", "numGpus"}
    validate = pytest.importorskip("kubernetes_validate").validate
    container = {"name": "triton", "image": values["image"]["imageName"], "args": values["serverArgs"]}
    container |= {"resources": values["resources"], "volumeMounts": values["volumeMounts"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "triton"}}
    validate({**pod, "spec": {"containers": [container], "volumes": values["volumes"]}}, "1.30", strict=True)


def test_the_study_s_limits_are_the_container_s() -> None:
    command = docker_run(service(limits="memory=4g shm-size=2g gpus=none"), Path("/srv/models"))
    text = " ".join(command)
    assert "--memory=4g" in command
    assert "--shm-size=2g" in command
    assert "gpus" not in text
    assert "-v /srv/models:/models:ro registry/triton:1 tritonserver --model-repository=/models" in text
    assert "--gpus=all" in docker_run(service(), Path("/srv/models"))
    compose = yaml.safe_load(render(FORMATS["compose"], service(limits="memory=4g gpus=0,1")))
    described = compose["services"]["triton-mnist"]
    assert described["mem_limit"] == "4g"
    assert described["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 2


@pytest.mark.parametrize(
    ("launch", "image"),
    [
        ({"mode": "embedded", "triton": "2.51.0"}, "nvcr.io/nvidia/tritonserver:24.10-py3"),
        ({"mode": "local", "triton": "2.53.0"}, "nvcr.io/nvidia/tritonserver:24.12-py3"),
        ({"mode": "remote", "triton": "2.54.0"}, "nvcr.io/nvidia/tritonserver:25.01-py3"),
        ({"mode": "docker", "triton": "2.54.0", "image": "own:1"}, "own:1"),
        ({"mode": "remote", "triton": "2.99.0"}, None),
        ({"mode": "remote"}, None),
    ],
)
def test_the_image_is_the_study_s_or_nvidia_s_of_the_same_triton(launch: dict[str, str], image: str | None) -> None:
    environment = replace(HERE, launch=launch)
    if image is not None:
        assert deployed_image(environment) == image
        return
    with pytest.raises(UsageError, match="--image: no image is known"):
        deployed_image(environment)


def test_what_differs_from_the_study_is_noted(repository: Path, tmp_path: Path) -> None:
    notes = export(repository, tmp_path / "out", image="local:1").notes
    assert notes == (
        "the model files are not those that the study measured",
        "the study measured docker Triton, not the image local:1",
        "the image local:1 is local; push it to a registry for other machines",
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"to": "models/out"}, r"--to: .* lies inside the model repository"),
        ({"to": "models"}, r"--to: .* lies inside the model repository"),
        ({"to": "full"}, r"--to: .* is not empty; name a new directory"),
        ({"to": "full/file"}, r"--to: .* is not a directory"),
        ({"formats": ["swarm"]}, r"--format: 'swarm' is unknown; use compose, kubernetes, kserve, helm-values"),
        ({"launch": "remote"}, r"--launch: remote cannot start a new repository; .*--no-check"),
        ({"repository": "other"}, r"--model-repository: no model 'mnist' in .*; it holds stranger"),
    ],
)
def test_bad_input_writes_nothing(repository: Path, tmp_path: Path, options: dict[str, Any], line: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    write_model(tmp_path / "other", "stranger", CONFIG, "")
    before = sorted(tmp_path.rglob("*"))
    models = tmp_path / options.pop("repository", "models")
    with pytest.raises(UsageError, match=line):
        export(models, tmp_path / options.pop("to", "out"), **options)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--format", "compose"], "--format: has no effect without --to; add --to DIR"),
        (["--no-check"], "--no-check: has no effect without --to; add --to DIR"),
        (["--to", "x", "--output", "y"], "--output: is for a config, --to for a repository; drop one of them"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], line: str
) -> None:
    Store.open(database_url(tmp_path)).close()
    assert main(["export", "--results", str(tmp_path), *flags]) == 2
    assert re.fullmatch(f"autotune: {line}\n", capsys.readouterr().err)


def test_arguments_of_tritonserver_in_a_config_are_given_to_the_server() -> None:
    tried = trial(1, 8)
    argument = 'parameters { key: "--http-thread-count" value: { string_value: "16" } }'
    configs = {**tried.outcome.configs, "mnist": f"{SERVED.format(8)} {argument}"}
    found = Service.of(replace(tried, outcome=replace(tried.outcome, configs=configs)), None, 3 << 30)
    assert docker_run(found, Path("/srv/models"))[-2:] == ["--log-verbose=1", "--http-thread-count=16"]
