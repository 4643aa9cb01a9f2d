"""The examples of an experiment and of a gate fit the commands and the model."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from autotune.repository import ConfigSet
from autotune.request import CheckRequest, ExperimentRequest, options_of

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted((ROOT / "examples").glob("*/*.yaml"))


def test_the_mnist_experiment_has_the_four_configs_of_the_report() -> None:
    request = ExperimentRequest(file=ROOT / "examples" / "mnist_report" / "experiment.yaml")
    found = {}
    for entry in request.entries(request.read()):
        spec, composing = entry.request.find_model()
        config = entry.applied(ConfigSet.of(spec.config), (spec, *composing)).asked
        assert config.dynamic_batching
        delay = config.value("dynamic_batching.max_queue_delay_microseconds") or 0
        found[entry.name] = (delay, config.instance_count)
    assert found == {
        "dynamic": (0, 1),
        "delay_1000us": (1000, 1),
        "delay_2000us": (2000, 1),
        "two_instances": (1000, 2),
    }


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_experiment_is_read_and_run_by_make(path: Path) -> None:
    request = ExperimentRequest(file=path)
    file = request.read()
    assert request.entries(file)
    assert request.statistic(file, request.entries(file)) == ""
    assert file.about
    makefile = (ROOT / "Makefile").read_text()
    assert f"{path.parent.name}/{path.stem}" in makefile.split("EXPERIMENTS := ")[1].split("ARGS")[0]


def test_the_workflow_gives_only_options_that_exist() -> None:
    (job,) = yaml.safe_load((ROOT / "examples" / "check.yml").read_text())["jobs"].values()
    options = options_of(CheckRequest)
    commands = [shlex.split(step["run"]) for step in job["steps"] if step.get("run", "").startswith("autotune")]
    flags = {word for command in commands for word in command if word.startswith("--")}
    assert [command[1] for command in commands] == ["check", "check"]
    assert flags <= {each.flag for each in options.values()}
    assert job["env"].keys() <= {each.variable for each in options.values()}
