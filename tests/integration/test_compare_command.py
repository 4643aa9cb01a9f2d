"""`autotune compare` and `check` as a person uses them, on the embedded Triton."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from autotune.cli import main

MODELS = Path(__file__).parents[2] / "model_repository"
DEVICE = (MODELS / "accelerator" / "config.pbtxt").read_text()


def _repository(tmp_path: Path, name: str, config: str) -> Path:
    model = tmp_path / name / "accelerator"
    model.mkdir(parents=True)
    (model / "1").symlink_to(MODELS / "accelerator" / "1")
    (model / "config.pbtxt").write_text(config)
    return tmp_path / name


def test_a_slower_config_is_found_by_compare_and_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device takes 2 ms an execution and 0.1 ms an item: without batches it sustains a fraction."""
    assert "dynamic_batching" in DEVICE
    alone = DEVICE.replace("max_batch_size: 8", "max_batch_size: 1")
    assert alone != DEVICE
    (tmp_path / "alone.pbtxt").write_text(alone)
    (tmp_path / "missing.pbtxt").write_text(DEVICE.replace('backend: "python"', 'backend: "none"'))
    load = ("--model", "accelerator", "--concurrency", "8", "--duration", "200ms")
    where = ("--launch", "embedded", "--results", str(tmp_path / "results"))
    files = (str(MODELS / "accelerator"), str(tmp_path / "alone.pbtxt"), str(tmp_path / "missing.pbtxt"))
    own = ("--model-repository", str(MODELS))

    assert main(["compare", *files, *load, *own, *where, "--rounds", "3", "--json"]) == 0
    printed = capsys.readouterr().out
    found = json.loads(printed)
    assert (found["fastest"], found["slower"]) == ("accelerator", ["alone.pbtxt"])
    batched, single, missing = found["configs"]
    assert batched["mean"] > 2 * single["mean"]
    assert missing["out"] == "was not measured"
    assert "failed to load" in missing["message"]
    assert len(batched["rounds"]) == len(single["rounds"]) == 3

    baseline = tmp_path / "results.json"
    baseline.write_text(printed)
    slower = _repository(tmp_path, "slower", alone)
    junit = tmp_path / "junit.xml"
    record = tmp_path / "slow.json"
    gate = ("--baseline", str(baseline), "--fail-if-slower", "5%", "--junit", str(junit), "--record", str(record))
    assert main(["check", *load, *where, *gate, "--rounds", "3", "--model-repository", str(slower)]) == 4
    assert "Failed: the config in the repository is" in capsys.readouterr().out
    assert ElementTree.parse(junit).find("testsuite/testcase/failure") is not None  # noqa: S314
    # A gain passes: here the baseline is the record of the slow config.
    assert main(["check", *load, *where, *own, "--rounds", "2", "--baseline", str(record)]) == 0
    assert "Passed: " in capsys.readouterr().out


def test_a_config_that_violates_the_slo_is_not_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Host 0.5 ms, device 2.1 ms: no request is answered within 1 ms."""
    load = ("--model", "accelerator", "--p99", "1ms", "--window", "100ms", "--rounds", "2")
    where = ("--launch", "embedded", "--results", str(tmp_path / "results"), "--model-repository", str(MODELS))
    code = main(["check", *load, *where, "--record", str(tmp_path / "record.json")])
    failed = "Failed: the config in the repository violates the SLO" in capsys.readouterr().out
    assert (code, failed) in ((3, True), (1, False))  # 1 on a disturbed machine
    assert not (tmp_path / "record.json").exists()
