"""What is searched: the models of ``model_repository/``, and a pipeline and a caller that are written for it.

Both are made of emulated models (`model_repository/accelerator`): a preprocessing step that takes 12 ms beside the
device, a network that the device bounds, and a light postprocessing step. The pipeline is an ensemble of the three; the
caller is a Python model that calls the first two (BLS).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.repository import ModelRepository, ModelSpec

REPOSITORY = Path(__file__).parents[2] / "model_repository"
CEILINGS = {"accelerator": "20ms", "mnist": "10ms", "pipeline": "60ms", "caller": "60ms"}
_STEPS = {
    "preprocess": {"host_ms": 12.0, "device_fixed_ms": 0.0, "device_per_item_ms": 0.0},
    "network": {"host_ms": 0.5, "device_fixed_ms": 2.0, "device_per_item_ms": 0.25},
    "postprocess": {"host_ms": 0.2, "device_fixed_ms": 0.0, "device_per_item_ms": 0.0},
}
_TENSORS = """max_batch_size: {most}
input [ {{ name: "input" data_type: TYPE_FP32 dims: [ 16 ] }} ]
output [ {{ name: "output" data_type: TYPE_FP32 dims: [ 16 ] }} ]
"""
_CALLER = """
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(pb_utils.get_input_tensor_by_name(request, "input")) for request in requests]

    def _answer(self, tensor):
        for name in ("preprocess", "network"):
            tensor = pb_utils.Tensor("input", tensor.as_numpy())
            request = pb_utils.InferenceRequest(model_name=name, requested_output_names=["output"], inputs=[tensor])
            response = request.exec()
            if response.has_error():
                return pb_utils.InferenceResponse(error=response.error())
            tensor = pb_utils.get_output_tensor_by_name(response, "output")
        return pb_utils.InferenceResponse([tensor])
"""


@dataclass(frozen=True)
class Subject:
    """A model to search.

    Attributes:
        spec: The model.
        composing: The models that it needs, searched with it.
        called: Whether it calls them itself; else they are the steps of an ensemble, or there are none.
    """

    spec: ModelSpec
    composing: tuple[ModelSpec, ...] = ()
    called: bool = False

    @property
    def models(self) -> Mapping[str, ModelSpec]:
        """All of them by name."""
        return {each.name: each for each in (self.spec, *self.composing)}


def find_subject(name: str, directory: Path) -> Subject:
    """The subject of this name; what has to be written for it goes below ``directory``.

    Raises:
        UsageError: There is no such model.
    """
    if name == "pipeline":
        steps = tuple(_STEPS)
        repository = _write_steps(directory, steps)
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(f'platform: "ensemble"\n{_tensors(8)}{_scheduling(steps)}')
    elif name == "caller":
        steps = ("preprocess", "network")
        repository = _write_steps(directory, steps)
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "1" / "model.py").write_text(_CALLER)
        (repository / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n{_tensors(8)}')
    else:
        return Subject(ModelRepository(REPOSITORY).model(name))
    models = ModelRepository(repository)
    return Subject(models.model(name), tuple(models.model(each) for each in steps), called=name == "caller")


def _write_steps(directory: Path, steps: tuple[str, ...]) -> Path:
    for step in steps:
        (directory / step / "1").mkdir(parents=True)
        shutil.copy(REPOSITORY / "accelerator" / "1" / "model.py", directory / step / "1")
        times = "".join(
            f'parameters {{ key: "{name}" value: {{ string_value: "{value:g}" }} }}\n'
            for name, value in _STEPS[step].items()
        )
        (directory / step / "config.pbtxt").write_text(f'name: "{step}"\nbackend: "python"\n{_tensors(8)}{times}')
    return directory


def _tensors(max_batch_size: int) -> str:
    return _TENSORS.format(most=max_batch_size)


def _scheduling(steps: tuple[str, ...]) -> str:
    tensors = ["input", *(f"after_{step}" for step in steps[:-1]), "output"]
    written = [
        f'{{ model_name: "{step}" model_version: -1 input_map {{ key: "input" value: "{taken}" }}'
        f' output_map {{ key: "output" value: "{given}" }} }}'
        for step, taken, given in zip(steps, tensors, tensors[1:], strict=False)
    ]
    return f"ensemble_scheduling {{ step [ {', '.join(written)} ] }}\n"
