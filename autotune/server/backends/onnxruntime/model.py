"""Triton's ``onnxruntime`` backend as a Python-based backend on the ``onnxruntime`` package.

It replaces Triton's native backend in the embedded server and in the image that ``docker/`` builds. A repository
written for the native backend runs unchanged. Config completion and parameters follow the native backend's
documentation. It computes on the CPU.

It runs inside Triton's Python stub and imports nothing of `autotune`.
"""

from __future__ import annotations

import json
import os
import re
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
_DEFAULT_MAX_BATCH_SIZE = 4  # Triton's, unless its command line has another one
_DEFAULT_ARGUMENT = re.compile(r"(?:^|=)(?:(?P<backend>[^,=]+),)?default-max-batch-size=(?P<size>\d+)$")


class TritonPythonModel:
    """One instance of one ONNX model."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Completes the config as the native backend does.

        A config that names inputs and outputs is not changed. Otherwise tensors come from the model. If the first
        dimension of every tensor is dynamic, ``max_batch_size`` 0 becomes the server's default, and dynamic batching is
        switched on unless a scheduler is chosen.
        """
        config = auto_complete_model_config.as_dict()
        if config.get("input") and config.get("output"):
            return auto_complete_model_config
        # The directory of this version.
        path = _model_file(pb_utils.get_model_dir(), config)
        session = ort.InferenceSession(path, _fast_options(), providers=["CPUExecutionProvider"])
        tensors = [*session.get_inputs(), *session.get_outputs()]
        _check_kinds(tensors)
        batches = all(tensor.shape and not isinstance(tensor.shape[0], int) for tensor in tensors)
        if batches:
            if config["max_batch_size"] == 0:
                auto_complete_model_config.set_max_batch_size(_default_max_batch_size())
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
        """Loads this version of the model into a session for this instance."""
        config = json.loads(args["model_config"])
        path = _model_file(os.path.join(args["model_repository"], args["model_version"]), config)
        if args["model_instance_kind"] == "GPU":
            raise pb_utils.TritonModelException(
                "KIND_GPU: this onnxruntime backend computes on the CPU; "
                "use KIND_CPU or an image with the native backend"
            )
        self._session = ort.InferenceSession(path, _session_options(config), providers=["CPUExecutionProvider"])
        required = self._session.get_inputs()
        _check_kinds([*required, *self._session.get_outputs()])
        self._batched = config["max_batch_size"] > 0
        _check_optional_inputs(config, len(required), self._batched)
        initializers = self._session.get_overridable_initializers()
        model_inputs = {tensor.name: tensor for tensor in (*required, *initializers)}
        model_outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        _check_tensors(config, "input", model_inputs, self._batched)
        _check_tensors(config, "output", model_outputs, self._batched)
        # (name, shape to give the model or None, whether the elements are strings)
        self._inputs = [
            (entry["name"], _reshape(entry), model_inputs[entry["name"]].type == "tensor(string)")
            for entry in config["input"]
        ]
        self._outputs = [entry["name"] for entry in config["output"]]
        # As natively, a scalar gets the config's dims; if the model batches, the first of them is the batch.
        self._scalar_shapes = {
            entry["name"]: tuple(int(size) for size in entry["dims"])
            for entry in config["output"]
            if not model_outputs[entry["name"]].shape  # or whose rank the file does not say
        }
        # The shape that clients see, without the batch dimension, if it differs from the model's.
        self._client_shapes = {
            entry["name"]: tuple(int(size) for size in entry["dims"])
            for entry in config["output"]
            if _reshape(entry) is not None
        }

    def execute(self, requests: list[Any]) -> list[Any]:
        """Runs all requests as one batch if the model batches, one by one if it does not.

        As in the native backend, an error of ONNX Runtime is the answer to every request of the batch.
        """
        groups = [requests] if self._batched else [[request] for request in requests]
        return [response for group in groups for response in self._answers(group)]

    def _answers(self, requests: list[Any]) -> list[Any]:
        try:
            return self._execute_together(requests)
        except Exception as error:
            return [_failed(_one_line(error)) for _ in requests]

    def _execute_together(self, requests: list[Any]) -> list[Any]:
        all_feeds = [self._feeds(request) for request in requests]
        first = all_feeds[0]
        feeds = (
            first
            if len(requests) == 1
            else {name: np.concatenate([feeds[name] for feeds in all_feeds]) for name in first}
        )
        wanted = [self._wanted(request) for request in requests]
        computed = self._session.run(self._outputs, feeds)
        values = {name: self._as_client_sees(name, value) for name, value in zip(self._outputs, computed, strict=True)}
        if not self._batched:
            return [_response(wanted[0], [values[name] for name in wanted[0]])]
        responses = []
        start = 0
        for request_feeds, request_names in zip(all_feeds, wanted, strict=True):
            stop = start + len(request_feeds[next(iter(first))])
            short = next((name for name in self._outputs if len(values[name]) < stop), None)
            if short is None:
                responses.append(_response(request_names, [values[name][start:stop] for name in request_names]))
            else:
                responses.append(
                    _failed(
                        f"failed to split the output tensor '{short}' in responses: expected batch size of at least "
                        f"{stop} in model output, got {len(values[short])}"
                    )
                )
            start = stop
        return responses

    def _feeds(self, request: Any) -> dict[str, Any]:
        given = {tensor.name(): tensor for tensor in request.inputs()}
        feeds = {}
        for name, shape, is_text in self._inputs:
            tensor = given.get(name)
            if tensor is None:
                continue  # ONNX Runtime raises if the input is not optional
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
        if value.ndim == 0 and name in self._scalar_shapes:
            return value.reshape(self._scalar_shapes[name])
        shape = self._client_shapes.get(name)
        if shape is None:
            return value
        return value.reshape((*value.shape[:1], *shape) if self._batched else shape)


def _default_max_batch_size() -> int:
    """The ``default-max-batch-size`` of the server, whose command line alone has it: Python models are not told.

    One for this backend wins over one for all.
    """
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
    except OSError:
        return _DEFAULT_MAX_BATCH_SIZE
    found = {match["backend"]: int(match["size"]) for match in map(_DEFAULT_ARGUMENT.search, words) if match}
    return found.get("onnxruntime", found.get(None, _DEFAULT_MAX_BATCH_SIZE))


def _failed(message: str) -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message))


def _response(names: list[str], values: list[Any]) -> Any:
    return pb_utils.InferenceResponse(
        [
            pb_utils.Tensor(name, value if value.dtype != object else _encoded(value))
            for name, value in zip(names, values, strict=True)
        ]
    )


def _decoded(array: Any) -> Any:
    """BYTES as str, as ONNX Runtime takes them. Undecodable bytes survive the round trip."""
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
    """A session to read the tensors: no optimisation, no thread pool."""
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
        if key.startswith("session."):  # session entries of ONNX Runtime
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
    """Triton needs [1] for clients, reshaped for the model, if a tensor has only the batch dimension."""
    entries = {entry["name"]: entry for entry in config[kind]}
    for tensor in tensors:
        if batched and len(tensor.shape) == 1:
            entries[tensor.name]["reshape"] = {"shape": []}


def _reshape(entry: dict[str, Any]) -> tuple[int, ...] | None:
    """The model's shape, if the config's ``dims`` differ from it."""
    reshape = entry.get("reshape")
    return None if reshape is None else tuple(int(size) for size in reshape.get("shape", []))


_NATIVE_KINDS = {"seq": "ONNX_TYPE_SEQUENCE", "map": "ONNX_TYPE_MAP", "sparse_tensor": "ONNX_TYPE_SPARSETENSOR"}


def _check_kinds(tensors: list[Any]) -> None:
    """Refuses what is no tensor, such as the maps of a classifier's ZipMap, as the native backend does."""
    for tensor in tensors:
        if not tensor.type.startswith("tensor("):
            kind = _NATIVE_KINDS.get(tensor.type.partition("(")[0], "ONNX_TYPE_UNKNOWN")
            raise pb_utils.TritonModelException(
                f"Unsupported ONNX Type '{kind}' for I/O '{tensor.name}', expected 'ONNX_TYPE_TENSOR'."
            )


def _check_optional_inputs(config: dict[str, Any], required: int, batched: bool) -> None:
    """Initializers that a request may override are the optional inputs; all others must be in the config."""
    optional = [entry["name"] for entry in config["input"] if entry.get("optional")]
    expected = len(config["input"]) - len(optional)
    if expected != required:
        raise pb_utils.TritonModelException(
            f"unable to load model '{config['name']}', configuration expects {expected} inputs, "
            f"model provides {required}"
        )
    if optional and batched:
        raise pb_utils.TritonModelException(
            f"unable to load model '{config['name']}', optional input '{optional[0]}' is not supported for models "
            "that support batching"
        )


def _check_tensors(config: dict[str, Any], kind: str, tensors: dict[str, Any], batched: bool) -> None:
    """Refuses at load what the native backend refuses, in its words."""
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
        actual = [size if isinstance(size, int) else -1 for size in tensor.shape]
        if entry.get("allow_ragged_batch"):
            _refuse_ragged(config["name"], name, actual)
        if actual:
            _compare_dims(config["name"], name, actual, dims, batched, exact=kind == "output")
        elif any(size != 1 for size in dims):
            raise pb_utils.TritonModelException(
                f"unable to load model '{config['name']}', scalar tensor '{name}', should only provide 1 in the model "
                f"configuration when the model doesn't support batching. Model configuration provided: {dims}."
            )


def _refuse_ragged(model: str, name: str, actual: list[int]) -> None:
    """The native backend gives a ragged batch to inputs of shape [-1] only; this one to none."""
    if actual != [-1]:
        raise pb_utils.TritonModelException(
            f"unable to load model '{model}', configuration expects model provides input with shape [-1] "
            f"for ragged input '{name}', model provides {actual}"
        )
    raise pb_utils.TritonModelException(
        f"unable to load model '{model}', input '{name}': this onnxruntime backend has no ragged batches; remove "
        "allow_ragged_batch or use an image with the native backend"
    )


def _compare_dims(model: str, name: str, actual: list[int], dims: list[int], batched: bool, *, exact: bool) -> None:
    """The native backend's `CompareDimsSupported`.

    A dynamic dimension of an input takes any size that the config writes. All other dimensions must be equal: a -1
    beside a fixed size is refused, and so is a size beside an output's dynamic dimension.
    """
    if batched and actual[0] != -1:
        raise pb_utils.TritonModelException(
            f"model '{model}', tensor '{name}': for the model to support batching the shape should have "
            f"at least 1 dimension and the first dimension must be -1; but shape expected by the model is {actual}"
        )
    complete = [-1, *dims] if batched else dims
    first = (
        "an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete "
        if batched
        else ""
    )
    fits = len(actual) == len(complete) and all(
        mine == given or (mine == -1 and not exact) for mine, given in zip(actual, complete, strict=True)
    )
    if not fits:
        raise pb_utils.TritonModelException(
            f"model '{model}', tensor '{name}': the model expects {len(actual)} dimensions (shape {actual}) "
            f"but the model configuration specifies {len(complete)} dimensions ({first}shape {complete})"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
