"""What users bring, and what each of them must get: one command line a row.

The models are in `tests/data/cases/models`. Those with a value to check refuse requests that give another one, so a
measurement without errors shows the right answer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_cases import write_onnx_models

from autotune.cli import main
from autotune.repository import ModelConfig

DATA = Path(__file__).parents[1] / "data" / "cases"
COMMON = "--launch embedded --model-repository models --results results"
BRIEFLY = {
    "measure": "--duration 100ms",
    "run": "--window 50ms --warm-up 50ms --final-rounds 0 --objective latency",
    "compare": "--duration 100ms --rounds 2",
}


@dataclass(frozen=True)
class Row:
    """A command and what it must give.

    Attributes:
        command: The command line, run beside ``models`` and the files of `DATA`; `COMMON` and `BRIEFLY` are added.
        code: The exit code.
        says: What it must print, line ends aside.
        values: Paths of the JSON result (``trials.0.outcome``) and their values.
        config: Fields of the config that is exported, or was measured, and their values.
        starts: Servers that were started; None for any number.
        prepare: Changes the copy of the models first.
    """

    command: str
    code: int = 0
    says: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)
    starts: int | None = None
    prepare: Callable[[Path], object] = lambda models: None


ONE = "--rate 200 --sampler random --trials 1"
BATCH, DYNAMIC, INSTANCES = "max_batch_size", "dynamic_batching", "instance_group[0].count"
CLEAN = {"probes.0.errors": {}}
FEASIBLE = {"trials.0.outcome": "feasible"}
GPU = "instance_group[0] of 'vision' asks for GPUs, but Triton finds none there; write kind: KIND_CPU"
ROWS = {
    "a callee that is not loaded": Row(
        "run --model router --trials 6 --sampler random --rate 200",
        code=2,
        says=("--composing-models: 'router' calls 'scorer', which is not loaded", "; add --composing-models scorer"),
        starts=1,
    ),
    "a callee that is loaded answers": Row(
        f"run --model router --composing-models scorer --input-data numbers.json {ONE}", values=FEASIBLE
    ),
    "a callee that does not exist": Row(
        "measure --model router --concurrency 1 --composing-models score",
        code=2,
        says=("--composing-models: no model 'score' in ", "(did you mean 'scorer'?)"),
        starts=0,
    ),
    "a config by name": Row(
        f"run --model ranker --triton-arg=--model-config-name=large {ONE}",
        says=("its config is configs/large.pbtxt (--model-config-name)",),
        values={**FEASIBLE, "trials.0.served_otherwise": []},
        config={BATCH: 8, DYNAMIC: True, INSTANCES: 2},
    ),
    "a config file without a name": Row(
        "measure --model ranker --concurrency 1 --model-config models/ranker/configs/large.pbtxt",
        config={BATCH: 8, DYNAMIC: True, INSTANCES: 2},
    ),
    "a model that decides its config": Row(
        "run --model levels --search-space levels.yaml --sampler grid --rate 200",
        says=("the model's auto_complete_config raises max_batch_size to 16 and switches dynamic batching on",),
        values={**FEASIBLE, "trials.1.outcome": "failed to load"},
        config={BATCH: 16, DYNAMIC: True, "dynamic_batching.preferred_batch_size": (16,)},
    ),
    "a file of Model Analyzer as search space": Row(
        "run --model ranker --rate 200 --search-space model_analyzer.yaml",
        code=2,
        says=("is a file of Model Analyzer; use it with autotune run --from-model-analyzer",),
        starts=0,
    ),
    "a file of Model Analyzer as options": Row(
        "run --config model_analyzer.yaml", code=2, says=("--from-model-analyzer",), starts=0
    ),
    "an ensemble": Row(
        f"run --model pipeline {ONE}",
        says=("Bottleneck: slow", "best/pipeline/config.pbtxt"),
    ),
    "a leading dimension that is time": Row(
        f"run --model frames --input-data frames.json {ONE}",
        says=("max_batch_size: 0 (--allow-batching searches it), so there is no batching to search",),
        values=FEASIBLE,
        config={BATCH: 0, DYNAMIC: False},
    ),
    "numbers of 64 bits": Row(
        f"run --model desk {ONE}",
        says=("Triton 2.51 leaves requests waiting for up to 500 ms now and then",),
        values=FEASIBLE,
        config={"dynamic_batching.priority_levels": 2**64 - 1, "dynamic_batching.default_priority_level": 2**32 - 1},
    ),
    "a queue of one": Row(
        "run --model gate --p99 50ms --trials 1 --rate 300 --sampler random",
        code=3,
        says=(
            "of requests failed (http 503: [request id: <id_unknown>] Exceeds maximum queue size)",
            "max_queue_size is 1: raise it, or search dynamic_batching.default_queue_policy.max_queue_size",
        ),
    ),
    "a queue of one, measured": Row(
        "measure --model gate --rate 300",
        says=("Exceeds maximum queue size; max_queue_size is 1: raise it, or search dynamic_batching.default_queue",),
    ),
    "answers from the cache": Row(
        "run --model lookup --trials 2 --triton-arg=--cache-config=local,size=1048576 --sampler random --rate 200",
        says=("100.0% of requests were answered from the response cache, so configs of the model make no difference",),
        values=FEASIBLE,
        starts=1,
    ),
    "a cache that the server lacks": Row(
        "measure --model lookup --concurrency 1", says=("response_cache has no effect, as the server has no cache",)
    ),
    "GPUs that the machine lacks": Row("run --model vision --rate 200", code=2, says=(GPU,), starts=0),
    "GPUs that the machine lacks, measured": Row("measure --model vision --rate 50", code=2, says=(GPU,), starts=0),
    "an output that loses the batch": Row(
        "measure --model topmost --concurrency 16",
        says=("expected batch size of at least 2 in model output, got 1",),
    ),
    "an output that is no tensor": Row(
        "run --model flowers --rate 200",
        code=2,
        says=("'by_class' is of type sequence, not a tensor", "{'zipmap': False}"),
        starts=0,
    ),
    "an output that is no tensor, without a config": Row(
        "measure --model flowers --concurrency 1",
        code=2,
        says=("'by_class' is of type sequence, not a tensor", "{'zipmap': False}"),
        starts=0,
        prepare=lambda models: (models / "flowers" / "config.pbtxt").unlink(),
    ),
    "missing values": Row("measure --model trees --concurrency 2 --input-data nan.json", values=CLEAN),
    "missing values over gRPC": Row(
        "measure --model trees --concurrency 2 --input-data nan.json --protocol grpc", values=CLEAN
    ),
    "infinite values": Row("measure --model trees --concurrency 1 --input-data inf.json", values=CLEAN),
    "values that a type cannot hold": Row(
        "measure --model trees --concurrency 1 --input-data too_large.json",
        code=2,
        says=("too_large.json", "'features'", "1e+39"),
    ),
    "values of another request": Row(
        "measure --model trees --concurrency 1 --input-data zero",
        code=1,
        says=("no request was answered", "missing: 0.0"),
    ),
    "base64 beside a shape": Row("measure --model thumbs --concurrency 1 --input-data b64.json", values=CLEAN),
    "a key that is named model": Row(
        "measure --model thumbs --concurrency 1 --input-data with_model.json --protocol grpc", values=CLEAN
    ),
    "an input that is named model": Row(
        "measure --model named --concurrency 1 --input-data input_named_model.json", values=CLEAN
    ),
    "a directory of raw files": Row("measure --model speech --concurrency 1 --input-data raw", values=CLEAN),
    "a raw file of another size": Row(
        "measure --model speech --concurrency 1 --input-data short",
        code=2,
        says=("--input-data: short: input 'wave': has 15 values (file 'wave', 60 bytes), which do not fill",),
    ),
    "ids that a table lacks": Row(
        "run --model segments --shape id:6 --rate 200",
        code=2,
        says=("'segments' refuses the random data: ", "out of data bounds", "use --input-data zero or a file"),
        starts=1,
    ),
    "ids that a table has": Row(
        "measure --model segments --concurrency 1 --shape id:6 --input-data zero", values=CLEAN
    ),
    "requests of several lengths": Row(
        f"run --model reader --input-data lengths.json {ONE}",
        says=("consecutive requests differ in the shape of input 'tokens'", "input[0].allow_ragged_batch"),
    ),
    "sequences": Row(f"run --model counter --input-data streams.json {ONE}", values=FEASIBLE),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the commands run."""
    directory = tmp_path_factory.mktemp("cases")
    shutil.copytree(DATA, directory, dirs_exist_ok=True)
    write_onnx_models(directory / "models")
    frames = {"content": [float(each % 7) for each in range(160)], "shape": [20, 8]}
    (directory / "frames.json").write_text(json.dumps({"data": [{"x": frames}]}))
    for name, samples in (("raw", 16), ("short", 15)):
        (directory / name).mkdir()
        (directory / name / "lang").write_text("en\n")
        wave = np.linspace(-0.9375, 0.5, samples)
        (directory / name / "wave").write_bytes(wave.astype("<f4").tobytes())
    return directory


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_users_get_what_is_right(
    row: Row, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    row.prepare(tmp_path / "models")
    command, *arguments = row.command.split()
    as_json = ["--json"] if row.values or row.config else []
    code = main([command, *COMMON.split(), *BRIEFLY[command].split(), *arguments, *as_json])
    out, err = capsys.readouterr()
    said = " ".join((out + err).split())
    assert code == row.code, said
    for words in row.says:
        assert words in said
    assert "Traceback" not in said
    assert "inf%" not in said
    if row.starts is not None:
        assert len(list(tmp_path.rglob("*.log"))) == row.starts
    if row.values or row.config:
        result = json.loads(out)
        for path, value in row.values.items():
            assert at(result, path) == value, path
        text = Path(result["config_path"]).read_text() if "config_path" in result else result["config_text"]
        config = ModelConfig.parse(text, "config.pbtxt")
        for path, value in row.config.items():
            found = getattr(config, path) if path in (BATCH, DYNAMIC) else config.value(path)
            assert found == value, path


def at(result: Any, path: str) -> object:
    """What a JSON document has at ``a.0.b``."""
    for step in path.split("."):
        result = result[int(step) if isinstance(result, list) else step]
    return result
