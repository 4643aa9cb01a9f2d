"""Whether Triton has anything to complete in a staged model's config.

Completion costs a Python-based backend 1.2 s per start: Triton starts an extra stub for it, which takes a second to
end. That is most of the time from launch to ready. Completion is switched off if it provably changes nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from autotune.server._staged import staged_config


def needs_completion(repository: Path, models: Sequence[str]) -> bool:
    """Returns False if completion would not change the config of any of the models; True if unsure.

    ONNX and ensembles: a config that names its inputs and outputs is not changed. Python: completion does nothing if
    ``TritonPythonModel`` neither defines nor inherits ``auto_complete_config``.
    """
    return any(_is_completed(repository / name) for name in models)


def _is_completed(model: Path) -> bool:
    config = staged_config(model)
    if config is None:
        return True
    for kind in ("input", "output"):
        tensors = config.value(kind) or ()
        if not tensors or any(not (tensor.get("dims") and tensor.get("data_type")) for tensor in tensors):
            return True
    if config.is_onnx or config.has("ensemble_scheduling"):  # an ensemble has no backend that could
        return False
    if config.backend == "python":
        name = config.value("default_model_filename") or "model.py"
        sources = list(model.glob(f"[0-9]*/{name}"))
        return not sources or any(_completes(source) for source in sources)
    return True


def _completes(source: Path) -> bool:
    try:
        module = ast.parse(source.read_text())
    except (OSError, UnicodeDecodeError, SyntaxError):
        return True
    models = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "TritonPythonModel"]
    if len(models) != 1 or models[0].bases or models[0].decorator_list or models[0].keywords:
        return True
    names = [node.name for node in models[0].body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    plain = all(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr | ast.Assign | ast.AnnAssign)
        for node in models[0].body
    )
    return not plain or "auto_complete_config" in names or "auto_complete_config" in ast.unparse(module)
