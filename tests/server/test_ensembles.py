"""Ensembles whose steps do not fit together are refused before a server starts, and Triton refuses the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_models import write_double, write_model

from autotune.cli import main
from autotune.errors import UsageError
from autotune.repository import ModelRepository
from autotune.server import EmbeddedLauncher, LaunchOptions, RunningServer
from autotune.server._control import ControlClient, ControlError


def step(model: str, taken: str = "input: x", given: str = "output: y") -> str:
    maps = (
        f'{kind} {{ key: "{name}" value: "{tensor}" }}'
        for kind, pairs in (("input_map", taken), ("output_map", given))
        for name, tensor in (pair.split(": ") for pair in pairs.split(", ") if pair)
    )
    return f'{{ model_name: "{model}" model_version: -1 {" ".join(maps)} }}'


def ensemble(*steps: str, largest: int = 8, taken: str = "TYPE_FP32 dims: [ 4 ]", given: str = "y") -> str:
    return (
        f'platform: "ensemble" max_batch_size: {largest} input {{ name: "x" data_type: {taken} }}'
        f' output {{ name: "{given}" data_type: TYPE_FP32 dims: [ 4 ] }}'
        f" ensemble_scheduling {{ step [ {', '.join(steps)} ] }}"
    )


RIGHT = {
    "one_step": ensemble(step("double")),
    "two_steps": ensemble(step("double", given="output: between"), step("double", "input: between")),
    "any_size": ensemble(step("double"), taken="TYPE_FP32 dims: [ -1 ]"),
    "smaller_batches": ensemble(step("double"), largest=4),
    "nested": ensemble(step("one_step", "x: x", "y: between"), step("double", "input: between")),
}
WRONG = {
    "larger_batches": (
        ensemble(step("double"), largest=16),
        "max_batch_size is 16, but step 'double' takes 8 at most; use 8 here, or raise it in ",
    ),
    "another_type": (
        ensemble(step("double"), taken="TYPE_INT32 dims: [ 4 ]"),
        "'x' is INT32 in the ensemble, but FP32 in step 'double'; make them the same",
    ),
    "another_shape": (
        ensemble(step("double"), taken="TYPE_FP32 dims: [ 5 ]"),
        "the shape of 'x' is [-1, 5] in the ensemble, but [-1, 4] in step 'double', batch dimension included; make",
    ),
    "more_dimensions": (
        ensemble(step("double"), taken="TYPE_FP32 dims: [ 4, -1 ]"),
        "the shape of 'x' is [-1, 4, -1] in the ensemble, but [-1, 4] in step 'double'",
    ),
    "from_nowhere": (
        ensemble(step("double", "input: z")),
        "step 'double' takes 'z', which is neither an input nor an output of a step; check the names",
    ),
    "not_given": (ensemble(step("double"), given="z"), "no step gives output 'z'; name it in a step's output_map"),
    "no_such_input": (ensemble(step("double", "inputs: x")), "step 'double' has no input 'inputs'; it has 'input'"),
    "no_such_output": (
        ensemble(step("double", given="outputs: y")),
        "step 'double' has no output 'outputs'; it has 'output'",
    ),
    "input_left_out": (
        ensemble(step("double"), step("two_inputs", "left: x", "output: z")),
        "step 'two_inputs' gets no 'right'; name it in the step's input_map",
    ),
    "circle": (
        ensemble(step("circle", "x: x", "y: y")),
        "the ensemble contains itself: circle -> circle; take one of the steps out",
    ),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    write_double(models)
    inputs = "".join(f'input {{ name: "{each}" data_type: TYPE_FP32 dims: [ 4 ] }} ' for each in ("left", "right"))
    output = 'output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }'
    source = (models / "double" / "1" / "model.py").read_text()
    write_model(models, "two_inputs", f'backend: "python" max_batch_size: 8 {inputs} {output}', source)
    for name, text in {**RIGHT, **{name: text for name, (text, _) in WRONG.items()}}.items():
        write_model(models, name, text)
    return models


@pytest.fixture(scope="module")
def triton(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlClient]:
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=60))
    server: RunningServer
    with launcher.launch(repository, "double", tmp_path_factory.mktemp("log") / "triton.log") as server:
        yield ControlClient(server.endpoint.host, server.endpoint.http_port)


@pytest.mark.parametrize("name", RIGHT)
def test_an_ensemble_that_triton_loads_is_taken(name: str, repository: Path, triton: ControlClient) -> None:
    triton.load(name)
    models = ModelRepository(repository)
    assert models.composing_models(models.model(name))


@pytest.mark.parametrize("name", WRONG)
def test_an_ensemble_that_triton_refuses_is_refused_before_a_start(
    name: str, repository: Path, triton: ControlClient
) -> None:
    with pytest.raises(ControlError):
        triton.load(name)
    models = ModelRepository(repository)
    with pytest.raises(UsageError) as refused:
        models.composing_models(models.model(name))
    place = str(repository / name / "config.pbtxt")
    assert str(refused.value).startswith(f"{place}: {WRONG[name][1]}")


def test_the_refusal_is_one_line_and_nothing_is_written(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    flags = ["--model-repository", str(repository), "--model", "larger_batches", "--p99", "5ms"]
    assert main(["run", *flags, "--results", str(results)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "max_batch_size is 16, but step 'double' takes 8 at most" in line
    assert not results.exists()
