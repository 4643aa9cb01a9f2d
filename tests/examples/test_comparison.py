"""The examples of a comparison and of a gate fit the commands and the model."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from autotune.repository import ModelConfig
from autotune.request import CheckRequest, CompareRequest, options_of

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "examples" / "mnist_report"


def test_the_four_configs_of_the_report_are_of_the_bundled_model() -> None:
    request = CompareRequest(
        model_repository=ROOT / "model_repository", model="mnist", configs=sorted(map(str, REPORT.glob("*.pbtxt")))
    )
    found = {
        each.name: (
            each.configs.asked.value("dynamic_batching.max_queue_delay_microseconds") or 0,
            each.configs.asked.instance_count,
        )
        for each in request.contenders()
    }
    assert found == {
        "dynamic.pbtxt": (0, 1),
        "delay_1000us.pbtxt": (1000, 1),
        "delay_2000us.pbtxt": (2000, 1),
        "two_instances.pbtxt": (1000, 2),
    }
    own = ModelConfig.parse((ROOT / "model_repository" / "mnist" / "config.pbtxt").read_text(), "own")
    assert all(each.configs.asked.value("input") == own.value("input") for each in request.contenders())


def test_the_workflow_gives_only_options_that_exist() -> None:
    (job,) = yaml.safe_load((ROOT / "examples" / "check.yml").read_text())["jobs"].values()
    options = options_of(CheckRequest)
    commands = [shlex.split(step["run"]) for step in job["steps"] if step.get("run", "").startswith("autotune")]
    flags = {word for command in commands for word in command if word.startswith("--")}
    assert [command[1] for command in commands] == ["check", "check"]
    assert flags <= {each.flag for each in options.values()}
    assert job["env"].keys() <= {each.variable for each in options.values()}
