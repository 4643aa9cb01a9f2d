"""What is searched: the models of ``model_repository/``, and emulated ones that are written for it.

The latter are `model_repository/accelerator` with other times. The pipeline is an ensemble of a preprocessing step,
which takes 12 ms beside the device, a network that the device bounds, and a light postprocessing step; the caller is a
Python model that calls the first two (BLS). Of `knee`, `steps` and `cliff` the device's time is no straight line of the
batch size: it grows eight times as fast beyond a size, in steps of a tile, or doubles at a size, as on devices that
only judge the search (`benchmarks.replay._devices`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autotune.repository import ModelRepository, ModelSpec
from benchmarks.written_models import REPOSITORY, tensors, write_emulated, write_ensemble

_CURVES = {
    "knee": (1.0, "1:2.05, 21:3.05, 64:20.25"),
    "steps": (2.0, "1:3.3, 12:3.3, 13:5.1, 24:5.1, 25:6.9, 36:6.9, 37:8.7, 48:8.7, 49:10.5, 60:10.5, 61:12.3, 64:12.3"),
    "cliff": (1.5, "1:2.6, 37:5.6, 38:11.2, 64:15.2"),
}
"""Milliseconds beside the device, and on it by batch size."""
CEILINGS = {"accelerator": "20ms", "mnist": "10ms", "pipeline": "60ms", "caller": "60ms"} | dict.fromkeys(
    _CURVES, "15ms"
)
_STEPS = {
    "preprocess": {"host_ms": 12.0, "device_fixed_ms": 0.0, "device_per_item_ms": 0.0},
    "network": {"host_ms": 0.5, "device_fixed_ms": 2.0, "device_per_item_ms": 0.25},
    "postprocess": {"host_ms": 0.2, "device_fixed_ms": 0.0, "device_per_item_ms": 0.0},
}
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
    if name in _CURVES:
        host_ms, curve = _CURVES[name]
        write_emulated(directory, {name: {"host_ms": host_ms, "device_curve_ms": curve}}, "dynamic_batching { }\n")
        return Subject(ModelRepository(directory).model(name))
    if name == "pipeline":
        steps = tuple(_STEPS)
        write_emulated(directory, _STEPS)
        write_ensemble(directory, name, steps, max_batch_size=8)
    elif name == "caller":
        steps = ("preprocess", "network")
        write_emulated(directory, {step: _STEPS[step] for step in steps})
        (directory / name / "1").mkdir(parents=True)
        (directory / name / "1" / "model.py").write_text(_CALLER)
        (directory / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n{tensors(8)}')
    else:
        return Subject(ModelRepository(REPOSITORY).model(name))
    models = ModelRepository(directory)
    return Subject(models.model(name), tuple(models.model(each) for each in steps), called=name == "caller")
