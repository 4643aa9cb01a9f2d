"""A config whose batches change the answers is found before any load, and never delivered.

One real server has all models at once. Whether answers are wrong is asked with another client than the product's.
"""

import json
import queue
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
from batch_breakers import (
    BREAKERS,
    CHANGING,
    CONFIG,
    ODD,
    RAGGED,
    RIGHT,
    STRINGS,
    write_onnx_breakers,
    write_python_model,
    write_string_model,
)
from tiny_models import write_double, write_model

from autotune.cli import main
from autotune.load import Traffic, WrongAnswers, different_payloads, make_payloads
from autotune.measurement import Deployment, Served
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import ControlClient, EmbeddedLauncher, LaunchOptions, RunningServer

ONNX = ("onnx_loses_batch", "onnx_centres_frames", "onnx_softmax_axis_0")
AT_ONCE = 24


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    for name, body in {**BREAKERS, **RIGHT, **CHANGING, **ODD}.items():
        write_python_model(directory, name, body)
    assert write_onnx_breakers(directory) == ONNX
    write_string_model(directory)
    write_double(directory, "first")
    return directory


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    models = tuple(f"--load-model={name}" for name in (*BREAKERS, *ONNX, *RIGHT, *CHANGING, *ODD, STRINGS))
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=60, triton_args=models))
    with launcher.launch(repository, "first", tmp_path_factory.mktemp("log") / "triton.log") as running:
        yield running


def served(server: RunningServer, model: str, directory: Path) -> Served:
    """The model as a deployment serves it."""
    one = replace(server, model=model)
    traffic = Traffic()
    if model == RAGGED:
        path = directory / "lengths.json"
        rows = [{"x": {"content": [1.0 + each for each in range(n)], "shape": [n]}} for n in (4, 2, 3)]
        path.write_text(json.dumps({"data": rows}))
        traffic = Traffic(input_data=str(path))
    config, metadata = one.model_config(), one.model_metadata()
    inputs = different_payloads(metadata, config, traffic, make_payloads(model, metadata, config, traffic))
    return Served(one, generator=None, configs=None, config=config, inputs=inputs)


def wrong_answers(server: RunningServer, model: str) -> int:
    """How many requests at once get other answers than alone."""
    sizes = (4, 2, 3) if model == RAGGED else (4,)
    random = np.random.default_rng(7)
    with tritonclient.grpc.InferenceServerClient(f"{server.endpoint.host}:{server.endpoint.grpc_port}") as client:
        asked = []
        for index in range(AT_ONCE):
            data = random.random((1, sizes[index % len(sizes)]), np.float32)
            tensor = tritonclient.grpc.InferInput("x", data.shape, "FP32")
            tensor.set_data_from_numpy(data)
            asked.append([tensor])
        alone = [client.infer(model, each).as_numpy("y") for each in asked]
        answered: queue.Queue[tuple[int, np.ndarray | None]] = queue.Queue()
        for index, each in enumerate(asked):
            client.async_infer(
                model,
                each,
                lambda result, error, index=index: answered.put((index, None if error else result.as_numpy("y"))),
            )
        wrong = 0
        for _ in asked:
            index, got = answered.get(timeout=10)
            wrong += got is None or got.shape != alone[index].shape or not np.allclose(got, alone[index], atol=1e-5)
    return wrong


_CHANGES = "batching changes the answers"


@pytest.mark.parametrize("model", [*BREAKERS, *ONNX])
def test_batches_with_wrong_answers_are_found(server: RunningServer, model: str, tmp_path: Path) -> None:
    assert any(wrong_answers(server, model) for _ in range(10))  # a fast model answers some requests one by one
    with pytest.raises(WrongAnswers) as found:
        served(server, model, tmp_path).check_answers()
    assert found.value.batch_size >= 2
    assert "\n" not in str(found.value)  # Triton's words have line breaks


def test_strings_that_are_padded_to_the_longest_of_a_batch_are_found(server: RunningServer, tmp_path: Path) -> None:
    with pytest.raises(WrongAnswers, match=r"""'y'\[0,0\] is b(['"]).{8}\1 alone and b\1.{8}_{8}\1 beside others"""):
        served(server, STRINGS, tmp_path).check_answers()


TILES = """
import asyncio

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    async def execute(self, requests):
        return [await self.answer(pb_utils.get_input_tensor_by_name(each, "x").as_numpy()) for each in requests]

    async def answer(self, x):
        answers = await asyncio.gather(*(self.call(part * x) for part in (1, 2, 3)))
        return pb_utils.InferenceResponse([pb_utils.Tensor("y", sum(answers))])

    async def call(self, x):
        request = pb_utils.InferenceRequest(
            model_name="CALLED", requested_output_names=["y"], inputs=[pb_utils.Tensor("x", x)]
        )
        return pb_utils.get_output_tensor_by_name(await request.async_exec(), "y").as_numpy()
"""


@pytest.mark.parametrize("called", ["batch_statistics", "doubles"])
def test_batches_of_a_called_model_are_compared_though_its_caller_has_one_request_at_a_time(
    called: str, tmp_path: Path
) -> None:
    # A caller that asks for several parts at once makes Triton batch them: its answer alone is wrong too.
    models = tmp_path / "models"
    write_python_model(models, called, {**BREAKERS, **RIGHT}[called])
    config = CONFIG.format(dims="4", ragged="").replace("dynamic_batching { }", "")
    write_model(models, "tiles", config, TILES.replace("CALLED", called))
    repository = ModelRepository(models)
    specs = [repository.model("tiles"), repository.model(called)]
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=60))
    deployment = Deployment(specs[0], launcher, tmp_path, composing=specs[1:])
    with deployment.serve(ConfigSet(tuple(each.config for each in specs)), tmp_path / "log") as served:
        if called in RIGHT:
            assert served.check_answers() == ""
            return
        with pytest.raises(WrongAnswers, match=f"^{called}: batching changes the answers: output 'y'"):
            served.check_answers()


@pytest.mark.parametrize("model", RIGHT)
def test_batches_with_right_answers_pass(server: RunningServer, model: str, tmp_path: Path) -> None:
    assert wrong_answers(server, model) == 0
    assert served(server, model, tmp_path).check_answers() == ""


@pytest.mark.parametrize("model", CHANGING)
def test_answers_that_change_anyway_are_not_compared_and_that_is_said(
    server: RunningServer, model: str, tmp_path: Path
) -> None:
    said = served(server, model, tmp_path).check_answers()
    assert said == "answers are not compared for output y: the same request gets different answers"


@pytest.mark.parametrize("model", ODD)
def test_what_happens_now_and_then_is_not_put_down_to_batches(
    server: RunningServer, model: str, tmp_path: Path
) -> None:
    for _ in range(5):
        served(server, model, tmp_path).check_answers()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param("rows_reversed", _CHANGES, id="rows are mixed"),
        pytest.param("one_answer_for_all", _CHANGES, id="one answer for a batch"),
        pytest.param("batch_statistics", _CHANGES, id="answers depend on the batch size"),
        pytest.param("onnx_loses_batch", "fails though one alone does not", id="the batch dimension is lost"),
        pytest.param("onnx_centres_frames", f"{_CHANGES}: output 'y'[0,0] is 0 alone and ", id="the first one is time"),
    ],
)
def test_a_run_says_what_is_wrong_and_delivers_a_config_that_answers_rightly(
    repository: Path, server: RunningServer, model: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--model-repository", str(repository), "--launch", "embedded", "--results", str(tmp_path / "results"))
    load = ("--objective", "latency", "--rate", "200", "--window", "50ms", "--warm-up", "50ms")
    how = ("--final-rounds", "0", "--sampler", "tpe", "--trials", "2", "--json")
    assert main(["run", *where, *load, *how, "--model", model]) == 0
    printed = capsys.readouterr()
    # The smallest batch that Triton formed while requests were compared is the one that is known to be wrong.
    assert re.search(r"except those that may form batches of \d or more, whose answers are wrong", printed.err)
    first, second = json.loads(printed.out)["trials"]
    assert first["outcome"] == "wrong answers"
    assert words in first["message"]
    assert (second["label"], second["outcome"]) == ("without dynamic batching", "feasible")

    exported = next((tmp_path / "results").glob(f"*/best/{model}/config.pbtxt"))
    delivered = ModelConfig.parse(exported.read_text(), "exported")
    assert not delivered.dynamic_batching
    control = ControlClient(server.endpoint.host, server.endpoint.http_port)
    control.load(model, delivered.to_json())
    try:
        assert [wrong_answers(server, model) for _ in range(3)] == [0, 0, 0]
    finally:
        control.load(model)
