"""Input data as Triton receives it: models that refuse what is not the content they expect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_models import write_model

from autotune.load import ClosedLoop, LoadResult, Traffic, create_generator, make_payloads
from autotune.load.shared_memory import SharedTensors
from autotune.server import ControlClient, LaunchOptions, RunningServer, choose_launcher

_MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils

EXPECTED = {expected}

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            for tensor in request.inputs():
                values = tensor.as_numpy()
                shape, content = EXPECTED[tensor.name()]
                found = list(values.shape), values.ravel().tolist()
                if repr(found) != repr((shape, content)):
                    raise ValueError(f"{{tensor.name()}}: {{found}}")
        output = pb_utils.Tensor("seen", np.ones((1, 1), np.int32))
        return [pb_utils.InferenceResponse([output]) for _ in requests]
"""

Send = Callable[..., LoadResult]


def _write(repository: Path, name: str, inputs: dict[str, tuple[str, str]], expected: str) -> None:
    tensors = "".join(
        f'input {{ name: "{each}" data_type: TYPE_{datatype} dims: [ {dims} ] }}\n'
        for each, (datatype, dims) in inputs.items()
    )
    config = f'backend: "python"\nmax_batch_size: 1\n{tensors}' + (
        'output { name: "seen" data_type: TYPE_INT32 dims: [ 1 ] }\ninstance_group { kind: KIND_CPU }\n'
    )
    write_model(repository, name, config, _MODEL.format(expected=expected))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("models")
    speech = {"wave": ("FP32", "3"), "lang": ("STRING", "2")}
    _write(repository, "speech", speech, '{"wave": ([1, 3], [0.5, -1.0, 2.0]), "lang": ([1, 2], [b"en", b"de"])}')
    boxes = {"boxes": ("FP32", "-1, 4"), "names": ("STRING", "-1"), "scale": ("FP32", "1")}
    _write(repository, "boxes", boxes, '{"boxes": ([1, 0, 4], []), "names": ([1, 0], []), "scale": ([1, 1], [0.0])}')
    image = "[0.0, 255.0, 0.0, 255.0, 255.0, 0.0]"
    _write(repository, "photo", {"image": ("FP32", "3, 1, -1")}, f'{{"image": ([1, 3, 1, 2], {image})}}')
    launcher, _ = choose_launcher("embedded", LaunchOptions(start_timeout_s=60))
    with launcher.launch(repository, "speech", tmp_path_factory.mktemp("log") / "triton.log") as server:
        control = ControlClient(server.endpoint.host, server.endpoint.http_port)
        for model in ("boxes", "photo"):
            control.load(model)
        yield server


@pytest.fixture
def send(server: RunningServer) -> Send:
    """Sends a model's input data for a moment; the result."""
    control = ControlClient(server.endpoint.host, server.endpoint.http_port)

    def send(model: str, *paths: Path, **options: object) -> LoadResult:
        traffic = Traffic(input_data=[str(path) for path in paths] if paths else "zero", **options)
        payloads = make_payloads(model, control.model_metadata(model), control.model_config(model), traffic)
        with ExitStack() as stack:
            shared = SharedTensors(server.endpoint, payloads) if traffic.shared_memory else None
            if shared:
                stack.enter_context(shared)
            generator = create_generator(traffic.protocol, server.endpoint, payloads, in_process=True, shared=shared)
            stack.enter_context(closing(generator))
            return generator.run(ClosedLoop(1), 0.05, 5.0)

    return send


def _answered(result: LoadResult) -> bool:
    assert result.requests > 0
    return not result.errors


def test_directories_arrays_and_images_reach_the_model(send: Send, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "wave").write_bytes(np.array([0.5, -1, 2], "<f4").tobytes())
    (inputs / "lang").write_text("en\nde\n")
    assert _answered(send("speech", inputs))
    archive = tmp_path / "speech.npz"
    np.savez(archive, wave=np.array([0.5, -1, 2], np.float32), lang=np.array(["en", "de"]))
    assert _answered(send("speech", inputs, archive))
    photo = tmp_path / "photo.png"
    Image.fromarray(np.array([[[0, 0, 255], [255, 255, 0]]], np.uint8)).save(photo)
    assert _answered(send("photo", photo))
    (inputs / "lang").write_text("de\nen\n")
    assert not _answered(send("speech", inputs))


# Triton 2.51 takes offset + size - 1 for the last byte of a tensor in shared memory: without elements and at the
# region's start that is below 0, and refused ("Invalid offset + byte size")
@pytest.mark.parametrize("shared_memory", [False, True])
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tensors_without_elements_reach_the_model(
    send: Send, tmp_path: Path, protocol: str, shared_memory: bool
) -> None:
    shapes = {"boxes": (0, 4), "names": (0,)}
    assert _answered(send("boxes", protocol=protocol, shared_memory=shared_memory, shapes=shapes))
    empty = tmp_path / "empty.json"
    entry = {"boxes": {"content": [], "shape": [0, 4]}, "names": {"b64": "", "shape": [0]}, "scale": [0]}
    empty.write_text(json.dumps({"data": [entry]}))
    assert _answered(send("boxes", empty, protocol=protocol, shared_memory=shared_memory))
