"""Config completion is left out only where it would change nothing."""

from pathlib import Path

import pytest
from tiny_models import onnx_config, write_double, write_model, write_onnx

from autotune.server._autocomplete import needs_completion

_PLAIN = 'backend: "python" input { name: "a" data_type: TYPE_FP32 dims: 1 } '
_OUTPUT = 'output { name: "b" data_type: TYPE_FP32 dims: 1 } '


def test_a_complete_config_needs_no_completion(tmp_path: Path) -> None:
    write_double(tmp_path)
    write_onnx(tmp_path, "negate", onnx_config())
    assert not needs_completion(tmp_path, ["double"])
    assert not needs_completion(tmp_path, ["negate"])


def test_a_complete_ensemble_does_not_make_triton_complete_its_steps(tmp_path: Path) -> None:
    """Triton 2.51 serves an ensemble as written; completion is switched on or off for all models together."""
    step = 'step { model_name: "double" input_map { key: "input" value: "a" } output_map { key: "output" value: "b" } }'
    tensors = _PLAIN.replace('backend: "python"', 'platform: "ensemble"') + _OUTPUT
    write_model(tmp_path, "pipeline", f"{tensors} ensemble_scheduling {{ {step} }}")
    write_double(tmp_path)
    assert not needs_completion(tmp_path, ["pipeline", "double"])


@pytest.mark.parametrize(
    ("config", "source"),
    [
        (None, "class TritonPythonModel: pass"),
        ("max_batch_size: eight", "class TritonPythonModel: pass"),
        (_PLAIN, "class TritonPythonModel: pass"),
        (_PLAIN + _OUTPUT, None),
        (_PLAIN + _OUTPUT, "class TritonPythonModel(:"),
        (_PLAIN + _OUTPUT, "from base import TritonPythonModel"),
        (_PLAIN + _OUTPUT, "class TritonPythonModel(Base): pass"),
        (_PLAIN + _OUTPUT, "class TritonPythonModel:\n    @staticmethod\n    def auto_complete_config(c): return c"),
        (_PLAIN + _OUTPUT, "class TritonPythonModel: pass\nsetattr(TritonPythonModel, 'auto_complete_config', 1)"),
        (_PLAIN.replace("python", "pytorch") + _OUTPUT, None),
        (_PLAIN.replace("dims: 1", "") + _OUTPUT, "class TritonPythonModel: pass"),
    ],
)
def test_completion_stays_on_unless_it_certainly_changes_nothing(
    tmp_path: Path, config: str | None, source: str | None
) -> None:
    write_model(tmp_path, "m", config, source)
    assert needs_completion(tmp_path, ["m"])
