"""Checks that the embedded server's ONNX Runtime reads the IR version and opset of an ONNX file."""

from __future__ import annotations

import importlib.metadata

from autotune.errors import UsageError
from autotune.repository import ModelSpec

_OLD_IR_VERSION, _OLD_OPSET = 8, 13  # every supported ONNX Runtime reads these


def check_onnx_versions(spec: ModelSpec) -> None:
    """Raises `UsageError` with the remedy if a file is newer than the installed ONNX Runtime.

    ONNX Runtime does not state its limits, so the check loads a model of one node. A new onnx package writes newer
    files by default than ONNX Runtime reads: onnx 1.23 writes IR version 14 and opset 28, onnxruntime 1.31 reads up to
    13 and 26.
    """
    if spec.onnx is None:
        return
    ir_version, opset = spec.onnx.ir_version or _OLD_IR_VERSION, spec.onnx.opset or _OLD_OPSET
    if _loads(ir_version, opset):
        return
    found = f"--model: {spec.name}: its ONNX file has"
    reader = f"onnxruntime {importlib.metadata.version('onnxruntime')} of the embedded server reads"
    if not _loads(ir_version, _OLD_OPSET):
        most = next(each for each in range(ir_version, 0, -1) if _loads(each, _OLD_OPSET))
        raise UsageError(
            f"{found} IR version {ir_version}, {reader} versions up to {most}; export it with model.ir_version = {most}"
        )
    most = next((each for each in range(opset, 0, -1) if _loads(_OLD_IR_VERSION, each)), _OLD_OPSET)
    raise UsageError(f"{found} opset {opset}, {reader} opsets up to {most}; export it with opset_version={most}")


def _loads(ir_version: int, opset: int) -> bool:
    import onnxruntime
    from onnx import TensorProto, helper

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", tensors[:1], tensors[1:])
    model = helper.make_model(graph, ir_version=ir_version, opset_imports=[helper.make_opsetid("", opset)])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # no log for an expected failure
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True
