"""Configs as people write them: parsed, staged, served as asked, exported, and nothing of them is lost.

`tests/data/configs/served` are served by one embedded Triton; what is in `exported` needs a GPU, a backend or a Triton
that this machine lacks. The expected content comes from protobuf's own parser, not from the product's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format, text_format
from reported_studies import result, trial
from tiny_models import write_model, write_onnx
from tritonclient.grpc.model_config_pb2 import ModelConfig as Message

from autotune.report import export_trial
from autotune.repository import ConfigSet, ModelConfig, ModelRepository, ModelSpec, compare_served, stage
from autotune.server import EmbeddedLauncher, LaunchOptions, RunningServer

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
SERVED = sorted((CONFIGS / "served").glob("*.pbtxt"))
ALL = sorted(CONFIGS.glob("*/*.pbtxt"))
MODEL = '''
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers zeros of the config's shapes; reads what a parameter names."""

    def initialize(self, args):
        self.config = json.loads(args["model_config"])
        vocabulary = self.config["parameters"].get("vocabulary")
        if vocabulary:
            open(vocabulary["string_value"].replace("$$TRITON_MODEL_DIRECTORY", args["model_repository"])).close()

    def execute(self, requests):
        return [pb_utils.InferenceResponse([self.zeros(each, request) for each in self.config["output"]])
                for request in requests]

    def zeros(self, output, request):
        batch = request.inputs()[0].shape()[:1] if self.config["max_batch_size"] else []
        shape = [*batch, *(max(1, int(each)) for each in output["dims"])]
        return pb_utils.Tensor(output["name"], np.zeros(shape, pb_utils.triton_string_to_numpy(output["data_type"])))
'''


@cache
def message(path: Path) -> Any:
    """The config by protobuf's parser, with the name that its directory gives it."""
    config = parsed(path.read_text(encoding="utf-8"), path)
    config.name = path.stem
    return config


def parsed(text: str, path: Path) -> Any:
    return text_format.Parse(text, Message(), allow_unknown_field=path.stem == "newer_triton_field")


def write(repository: Path, path: Path) -> None:
    """The model of a config, with the files that the config names."""
    config, text = message(path), path.read_text(encoding="utf-8")
    versions = config.version_policy.specific.versions or [1]
    if config.backend == "onnxruntime" or config.platform == "onnxruntime_onnx":
        write_onnx(repository, path.stem, text, file=config.default_model_filename or "model.onnx")
    else:
        write_model(repository, path.stem, text)
        for version in versions:
            (repository / path.stem / str(version)).mkdir(exist_ok=True)
            (repository / path.stem / str(version) / (config.default_model_filename or "model.py")).write_text(MODEL)
    for warmup in config.model_warmup:
        for each in warmup.inputs.values():
            if each.input_data_file:
                (repository / path.stem / "warmup").mkdir(exist_ok=True)
                (repository / path.stem / "warmup" / each.input_data_file).write_bytes(bytes(8))
    for output in config.output:
        if output.label_filename:
            (repository / path.stem / output.label_filename).write_text("cat\ndog\n")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models")
    for path in ALL:
        write(directory, path)
    (directory / "shared").mkdir()
    (directory / "shared" / "vocabulary.txt").write_text("the a an")
    return directory


@pytest.fixture(scope="module")
def specs(repository: Path) -> dict[str, ModelSpec]:
    return {path.stem: ModelRepository(repository).model(path.stem) for path in ALL}


@pytest.fixture(scope="module")
def server(specs: dict[str, ModelSpec], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tmp_path_factory.mktemp("server")
    models = [specs[path.stem] for path in SERVED]
    staged = stage(models, ConfigSet(tuple(each.config for each in models)), directory / "staged")
    first, *others = (each.name for each in models)
    launcher = EmbeddedLauncher(LaunchOptions(start_timeout_s=90))
    with launcher.launch(staged, first, directory / "triton.log", others) as running:
        yield running


def test_there_are_enough_and_they_use_every_field_of_tritons_schema() -> None:
    assert len(ALL) >= 60
    used: set[str] = set()
    for path in ALL:
        used |= set(_used(message(path)))
        # the only value of these enums is the default, which a message does not tell from an absent field
        used |= {name for name, word in ONLY_VALUES.items() if re.search(rf"\b{word}\b", path.read_text("utf-8"))}
    assert sorted(_fields(Message.DESCRIPTOR) - used) == []


ONLY_VALUES = {
    "inference.ModelInstanceGroup.SecondaryDevice.kind": "KIND_NVDLA",
    "inference.BatchOutput.kind": "BATCH_SCATTER_WITH_INPUT_SHAPE",
}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_nothing_is_lost_from_the_file_to_the_staged_copy_and_the_export(
    specs: dict[str, ModelSpec], path: Path, tmp_path: Path
) -> None:
    spec, expected = specs[path.stem], message(path)
    staged = stage((spec,), ConfigSet.of(spec.config), tmp_path / "staged")
    assert parsed((staged / path.stem / "config.pbtxt").read_text("utf-8"), path) == expected
    one = trial(0, "baseline", None)
    one = replace(one, outcome=replace(one.outcome, configs={path.stem: spec.config.to_text()}))
    text, exported = export_trial(result(one), 0, tmp_path / "exported.pbtxt", tmp_path)
    assert exported is not None
    assert exported.read_text("utf-8") == text
    assert parsed(text, path) == expected
    assert ModelConfig.parse(text, "exported") == spec.config


def test_fields_of_a_newer_triton_are_kept_in_place(specs: dict[str, ModelSpec]) -> None:
    text = " ".join(specs["newer_triton_field"].config.to_text().split())
    assert re.search(r"dims: \[ 4 \] sparse_layout \{ format: 2 \}", text)
    assert re.search(r"field_of_a_newer_triton \{ enable: true levels: \[ ?1, 2 ?\] \}", text)


@pytest.mark.parametrize("path", SERVED, ids=lambda path: path.stem)
def test_the_served_config_is_the_asked_one(server: RunningServer, specs: dict[str, ModelSpec], path: Path) -> None:
    answer = replace(server, model=path.stem).model_config()
    served = json_format.ParseDict(answer, Message(), ignore_unknown_fields=True)
    assert list(_missing(message(path), served)) == []
    assert compare_served(specs[path.stem].config, answer).differences == ()


def _fields(descriptor: Any) -> set[str]:
    """Every field that a message of this type can hold, at any depth, by its full name."""
    found: set[str] = set()
    waiting, seen = [descriptor], {descriptor.full_name}
    while waiting:
        each = waiting.pop()
        is_entry = each.GetOptions().map_entry
        for field in each.fields:
            if not is_entry:
                found.add(field.full_name)
            if field.message_type is not None and field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                waiting.append(field.message_type)
    return found


def _used(config: Any) -> Iterator[str]:
    for field, value in config.ListFields():
        yield field.full_name
        for each in _messages(field, value):
            yield from _used(each)


def _messages(field: Any, value: Any) -> list[Any]:
    """The messages in a field's value."""
    if field.message_type is None:
        return []
    if field.message_type.GetOptions().map_entry:
        return [each for each in value.values() if hasattr(each, "ListFields")]
    return list(value) if hasattr(value, "__len__") else [value]


def _missing(asked: Any, served: Any, place: str = "") -> Iterator[str]:
    """What is asked and not served so; what Triton adds for everyone does not count."""
    for field, value in asked.ListFields():
        found, where = getattr(served, field.name), f"{place}{field.name}"
        ours, theirs = _messages(field, value), _messages(field, found)
        if field.message_type is None or not ours:
            if value != found:
                yield f"{where}: {value} is served as {found}"
        elif len(ours) != len(theirs):
            yield f"{where}: {len(ours)} are served as {len(theirs)}"
        elif field.message_type.GetOptions().map_entry:
            for key in value:
                yield from _missing(value[key], found[key], f"{where}[{key}].")
        else:
            for one, other in zip(ours, theirs, strict=True):
                yield from _missing(one, other, f"{where}.")
