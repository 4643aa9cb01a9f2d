"""Triton's ``onnxruntime`` backend as a Python-based backend on the ``onnxruntime`` package.

It stands in where Triton's native backend is not at hand (the embedded server, the image that
``docker/`` builds), so that a repository written for the native backend runs there unchanged. What it
completes in a config and which parameters it honours follow the native backend's documentation; it
computes on the CPU.

It runs inside Triton's Python stub and imports nothing of `autotune`.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils

_TRITON_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
    "tensor(bfloat16)": "TYPE_BF16",
}
_BFLOAT16 = "tensor(bfloat16)"
_DEFAULT_FILE = "model.onnx"
_DEFAULT_MAX_BATCH_SIZE = 4  # Triton's --backend-config=default-max-batch-size unless changed


class TritonPythonModel:
    """One instance of one ONNX model."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Fills in what the config leaves out, exactly where the native backend would.

        A config that names inputs and outputs is left as it is. Otherwise tensors come from the model; and
        where every tensor's first dimension is dynamic, ``max_batch_size`` (if 0) becomes 4 and dynamic
        batching is switched on unless a scheduler is chosen.
        """
        config = auto_complete_model_config.as_dict()
        if config.get("input") and config.get("output"):
            return auto_complete_model_config
        # The directory of this version.
        path = _model_file(pb_utils.get_model_dir(), config)
        session = ort.InferenceSession(path, _fast_options(), providers=["CPUExecutionProvider"])
        tensors = [*session.get_inputs(), *session.get_outputs()]
        batches = all(tensor.shape and not isinstance(tensor.shape[0], int) for tensor in tensors)
        if batches:
            if config["max_batch_size"] == 0:
                auto_complete_model_config.set_max_batch_size(_DEFAULT_MAX_BATCH_SIZE)
            if config["max_batch_size"] > 1 and "sequence_batching" not in config:
                auto_complete_model_config.set_dynamic_batching()
        elif config["max_batch_size"] != 0:
            raise pb_utils.TritonModelException(
                f"autofill failed for model '{config['name']}': model does not support batching "
                "while non-zero max_batch_size is specified"
            )
        batched = config["max_batch_size"] > 0
        if not config.get("input"):
            for tensor in session.get_inputs():
                auto_complete_model_config.add_input(_described(tensor, batched, config, "input"))
            _reshape_scalars(config, "input", session.get_inputs(), batched)
        if not config.get("output"):
            for tensor in session.get_outputs():
                auto_complete_model_config.add_output(_described(tensor, batched, config, "output"))
            _reshape_scalars(config, "output", session.get_outputs(), batched)
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the model of this version into a session of this instance's own."""
        config = json.loads(args["model_config"])
        path = _model_file(os.path.join(args["model_repository"], args["model_version"]), config)
        if args["model_instance_kind"] == "GPU":
            raise pb_utils.TritonModelException(
                "KIND_GPU: this onnxruntime backend computes on the CPU; "
                "use KIND_CPU or an image with the native backend"
            )
        self._session = ort.InferenceSession(path, _session_options(config), providers=["CPUExecutionProvider"])
        model_inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        model_outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        self._batched = config["max_batch_size"] > 0
        _check_tensors(config, "input", model_inputs, self._batched)
        _check_tensors(config, "output", model_outputs, self._batched)
        given = {tensor["name"] for tensor in config["input"]}
        missing = [name for name in model_inputs if name not in given]
        if missing:
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', configuration expects {len(given)} inputs, "
                f"model provides {len(model_inputs)}: {', '.join(missing)} is not in the configuration"
            )
        # (name, shape to give the model or None, whether the elements are strings)
        self._inputs = [
            (entry["name"], _reshape(entry), model_inputs[entry["name"]].type == "tensor(string)")
            for entry in config["input"]
        ]
        self._outputs = [entry["name"] for entry in config["output"]]
        # The shape that clients see where it differs from the model's, batch dimension left out.
        self._client_shapes = {
            entry["name"]: tuple(int(size) for size in entry["dims"])
            for entry in config["output"]
            if _reshape(entry) is not None
        }

    def execute(self, requests: list[Any]) -> list[Any]:
        """Runs all requests as one batch where the model batches, one by one where it does not."""
        if len(requests) == 1 or not self._batched:
            return [self._execute_one(request) for request in requests]
        try:
            return self._execute_together(requests)
        except Exception:
            # One bad request (a ragged shape, say) must not fail its neighbours.
            return [self._execute_one(request) for request in requests]

    def _execute_one(self, request: Any) -> Any:
        try:
            feeds = self._feeds(request)
            names = self._wanted(request)
            values = self._session.run(names, feeds)
            return _response(
                names, [self._as_client_sees(name, value) for name, value in zip(names, values, strict=True)]
            )
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(_one_line(error)))

    def _execute_together(self, requests: list[Any]) -> list[Any]:
        all_feeds = [self._feeds(request) for request in requests]
        first = all_feeds[0]
        feeds = {name: np.concatenate([feeds[name] for feeds in all_feeds]) for name in first}
        wanted = [self._wanted(request) for request in requests]
        if all(names == wanted[0] for names in wanted):
            names = wanted[0]
        else:
            names = [name for name in self._outputs if any(name in some for some in wanted)]
        computed = self._session.run(names, feeds)
        values = [self._as_client_sees(name, value) for name, value in zip(names, computed, strict=True)]
        key = next(iter(first))
        total = len(feeds[key])
        if any(len(value) != total for value in values):
            raise ValueError("an output's first dimension is not the batch")
        responses = []
        start = 0
        for request_feeds, request_names in zip(all_feeds, wanted, strict=True):
            stop = start + len(request_feeds[key])
            rows = [value[start:stop] for value in values]
            if request_names is not names and request_names != names:
                by_name = dict(zip(names, rows, strict=True))
                rows = [by_name[name] for name in request_names]
            responses.append(_response(request_names, rows))
            start = stop
        return responses

    def _feeds(self, request: Any) -> dict[str, Any]:
        given = {tensor.name(): tensor for tensor in request.inputs()}
        feeds = {}
        for name, shape, is_text in self._inputs:
            tensor = given.get(name)
            if tensor is None:
                continue  # optional: ONNX Runtime says so if it is not
            array = tensor.as_numpy()
            if is_text:
                array = _decoded(array)
            if shape is not None:
                array = array.reshape((*array.shape[:1], *shape) if self._batched else shape)
            feeds[name] = array
        return feeds

    def _wanted(self, request: Any) -> list[str]:
        requested = request.requested_output_names()
        if len(requested) == len(self._outputs):
            return self._outputs
        return [name for name in self._outputs if name in requested] or self._outputs

    def _as_client_sees(self, name: str, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise TypeError(f"output '{name}' is a {type(value).__name__}, not a tensor")
        shape = self._client_shapes.get(name)
        if shape is None:
            return value
        return value.reshape((*value.shape[:1], *shape) if self._batched else shape)


def _response(names: list[str], values: list[Any]) -> Any:
    return pb_utils.InferenceResponse(
        [
            pb_utils.Tensor(name, value if value.dtype != object else _encoded(value))
            for name, value in zip(names, values, strict=True)
        ]
    )


def _decoded(array: Any) -> Any:
    """BYTES as ONNX Runtime wants them: str. Undecodable bytes survive the way back."""
    flat = [item.decode("utf-8", "surrogateescape") if isinstance(item, bytes) else str(item) for item in array.flat]
    decoded = np.empty(len(flat), dtype=object)
    decoded[:] = flat
    return decoded.reshape(array.shape)


def _encoded(array: Any) -> Any:
    flat = [item.encode("utf-8", "surrogateescape") if isinstance(item, str) else item for item in array.flat]
    encoded = np.empty(len(flat), dtype=object)
    encoded[:] = flat
    return encoded.reshape(array.shape)


def _model_file(directory: str, config: dict[str, Any]) -> str:
    path = os.path.join(directory, config.get("default_model_filename") or _DEFAULT_FILE)
    if os.path.isdir(path):
        path = os.path.join(path, _DEFAULT_FILE)
    if not os.path.exists(path):
        raise pb_utils.TritonModelException(f"unable to find '{path}' for model '{config['name']}'")
    return path


def _fast_options() -> Any:
    """Enough to read the tensors: no optimisation, no thread pool."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return options


def _session_options(config: dict[str, Any]) -> Any:
    parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
    options = ort.SessionOptions()
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = {
        -1: levels.ORT_ENABLE_BASIC,
        1: levels.ORT_ENABLE_EXTENDED,
        2: levels.ORT_DISABLE_ALL,
    }.get(level, levels.ORT_ENABLE_ALL)
    options.intra_op_num_threads = _integer(parameters, "intra_op_thread_count")
    options.inter_op_num_threads = _integer(parameters, "inter_op_thread_count")
    mode = _integer(parameters, "execution_mode")
    if mode not in (0, 1):
        raise pb_utils.TritonModelException(
            f"Invalid configuration value provided. Expected values for execution_mode are 0 or 1 but got {mode}."
        )
    options.execution_mode = ort.ExecutionMode.ORT_PARALLEL if mode else ort.ExecutionMode.ORT_SEQUENTIAL
    if "enable_mem_arena" in parameters:
        options.enable_cpu_mem_arena = _boolean(parameters, "enable_mem_arena")
    if "enable_mem_pattern" in parameters:
        options.enable_mem_pattern = _boolean(parameters, "enable_mem_pattern")
    for key, value in parameters.items():
        if key.startswith("session."):  # ONNX Runtime's own session entries
            options.add_session_config_entry(key, value)
    return options


def _integer(parameters: dict[str, str], key: str) -> int:
    text = parameters.get(key, "0")
    try:
        return int(text)
    except ValueError:
        raise pb_utils.TritonModelException(f"parameter '{key}' is {text!r}, not an integer") from None


def _boolean(parameters: dict[str, str], key: str) -> bool:
    text = parameters[key].strip().lower()
    if text not in ("0", "1", "false", "true"):
        raise pb_utils.TritonModelException(f"parameter '{key}' is {text!r}, neither 0 nor 1")
    return text in ("1", "true")


def _described(tensor: Any, batched: bool, config: dict[str, Any], kind: str) -> dict[str, Any]:
    if tensor.type not in _TRITON_TYPES:
        raise pb_utils.TritonModelException(
            f"model '{config['name']}', {kind} '{tensor.name}': Triton has no datatype for {tensor.type}"
        )
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    dims = shape[1:] if batched else shape
    return {"name": tensor.name, "data_type": _TRITON_TYPES[tensor.type], "dims": dims or [1]}


def _reshape_scalars(config: dict[str, Any], kind: str, tensors: list[Any], batched: bool) -> None:
    """Where the model has nothing beside the batch, Triton wants [1] for clients, reshaped for the model."""
    entries = {entry["name"]: entry for entry in config[kind]}
    for tensor in tensors:
        if batched and len(tensor.shape) == 1:
            entries[tensor.name]["reshape"] = {"shape": []}


def _reshape(entry: dict[str, Any]) -> tuple[int, ...] | None:
    """The shape the model has where the config's ``dims`` show clients another one."""
    reshape = entry.get("reshape")
    return None if reshape is None else tuple(int(size) for size in reshape.get("shape", []))


def _check_tensors(config: dict[str, Any], kind: str, tensors: dict[str, Any], batched: bool) -> None:
    """Refuses at load what would fail at every request, in the native backend's words."""
    for entry in config[kind]:
        name = entry["name"]
        tensor = tensors.get(name)
        if tensor is None:
            raise pb_utils.TritonModelException(
                f"unexpected inference {kind} '{name}', allowed {kind}s are: {', '.join(tensors)}"
            )
        if tensor.type == _BFLOAT16:
            raise pb_utils.TritonModelException(
                f"model '{config['name']}', tensor '{name}' is BF16, which Triton's Python backend cannot hand to "
                "NumPy; cast it to FP32 in the model, or use an image with the native backend"
            )
        provided = _TRITON_TYPES.get(tensor.type, tensor.type)
        if entry["data_type"] != provided:
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', configuration expects datatype {entry['data_type']} "
                f"for {kind} '{name}', model provides {provided}"
            )
        reshape = _reshape(entry)
        dims = [int(size) for size in (entry["dims"] if reshape is None else reshape)]
        expected = ([-1] if batched else []) + dims
        actual = [size if isinstance(size, int) else -1 for size in tensor.shape]
        if batched and (not actual or actual[0] != -1):
            raise pb_utils.TritonModelException(
                f"model '{config['name']}', tensor '{name}': for the model to support batching the shape should have "
                f"at least 1 dimension and the first dimension must be -1; but shape expected by the model is {actual}"
            )
        fits = len(actual) == len(expected) and all(
            a in (e, -1) or e == -1 for a, e in zip(actual, expected, strict=True)
        )
        scalar = not actual and expected == [1]
        if not fits and not scalar:
            raise pb_utils.TritonModelException(
                f"model '{config['name']}', tensor '{name}': the model expects {len(actual)} dimensions "
                f"(shape {actual}) but the model configuration specifies {len(expected)} dimensions "
                f"(shape {expected})"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
