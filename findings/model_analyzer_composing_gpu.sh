#!/usr/bin/env bash
# Model Analyzer 1.58.0 on a machine without GPUs cannot vary the composing models of an ensemble in quick mode, and says
# that it succeeded: it gives them KIND_GPU instances, none of which load, and exits with 0 after the default config.
#
# One would expect KIND_CPU, as a model that is profiled by itself gets on such a machine, or an error. Only the top-level
# model is set to CPU (`ConfigCommandProfile._autofill_values`); composing models, also those of bls_composing_models, are
# left at the default. The first variant's load fails, which ends the search without an error: "Profile complete. Profiled
# 1 configurations", and the report shows the default config as the best. `cpu_only_composing_models` with the name of each
# composing model mends it.
#
# Output seen (with the setting the number varies):
#   plain: exit code 0, step gets KIND_GPU, refused for want of a GPU, configs profiled: 1
#   mended: exit code 0, step gets KIND_CPU, none refused for want of a GPU, configs profiled: 3
# Needs a machine without NVIDIA GPUs, and libb64 (Debian and Ubuntu: libb64-0d), which perf_analyzer is linked with.
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/client" \
    'tritonclient==2.51.0' 'nvidia-cuda-runtime-cu12==12.9.79'
"${BASE_PYTHON:-python3}" -m venv "$folder/analyzer"
"$folder/analyzer/bin/python" -m pip install --quiet --disable-pip-version-check 'triton-model-analyzer==1.58.0'
cat >"$folder/perf_analyzer" <<CLIENT
#!/bin/sh
LD_LIBRARY_PATH="$folder/client/nvidia/cuda_runtime/lib" exec "$folder/client/bin/perf_analyzer" "\$@"
CLIENT
chmod +x "$folder/perf_analyzer"

cd "$folder"
"$PYTHON" - <<'CHECK'
import json
import pathlib
import re
import socket
import subprocess
import sys

TENSORS = 'input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }'
folder = pathlib.Path.cwd()
(folder / "models/step/1").mkdir(parents=True)
(folder / "models/step/config.pbtxt").write_text(f'backend: "python" max_batch_size: 4 {TENSORS}')
(folder / "models/step/1/model.py").write_text("""
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]) for tensor in tensors]
""")
(folder / "models/pair/1").mkdir(parents=True)
(folder / "models/pair/config.pbtxt").write_text(
    f'platform: "ensemble" max_batch_size: 4 {TENSORS} ensemble_scheduling {{ step {{ model_name: "step" model_version: -1'
    ' input_map { key: "IN" value: "IN" } output_map { key: "OUT" value: "OUT" } } }'
)


def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def profile(name, **more):
    """The exit code, the kinds of the step's instances, whether Triton missed a GPU, the number of configs profiled."""
    settings = {
        "model_repository": str(folder / "models"),
        "profile_models": ["pair"],
        "run_config_search_mode": "quick",
        "run_config_search_max_instance_count": 2,
        "run_config_search_max_model_batch_size": 1,
        "concurrency_sweep_disable": True,
        "client_protocol": "http",
        "perf_analyzer_path": str(folder / "perf_analyzer"),
        "perf_analyzer_flags": {"measurement-interval": 500, "stability-percentage": 90},
        "triton_launch_mode": "local",
        "triton_server_path": str(folder / "tritonserver"),
        "triton_http_endpoint": address(),
        "triton_grpc_endpoint": address(),
        "triton_metrics_url": f"http://{address()}/metrics",
        "output_model_repository_path": str(folder / name / "variants"),
        "checkpoint_directory": str(folder / name / "checkpoints"),
        "export_path": str(folder / name),
        "skip_summary_reports": True,
        "skip_detailed_reports": True,
        **more,
    }
    (folder / name).mkdir()
    (folder / name / "config.yaml").write_text(json.dumps(settings))
    command = [folder / "analyzer/bin/model-analyzer", "profile", "-f", folder / name / "config.yaml"]
    with (folder / name / "log").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, timeout=540).returncode
    text = (folder / name / "log").read_text()
    kinds = set()
    for config in text.split("Creating model config: ")[1:]:
        if re.match(r"step_config_\d", config):
            kinds |= set(re.findall(r"'kind': '(KIND_\w+)'", config.partition("Creating")[0]))
    profiled = re.search(r"Profiled (\d+) configurations", text)
    refused = "has kind KIND_GPU but no GPUs are available" in text
    found = (code, sorted(kinds), refused, int(profiled.group(1)) if profiled else text[-2000:])
    words = "refused for want of a GPU" if refused else "none refused for want of a GPU"
    print(f"{name}: exit code {code}, step gets {', '.join(sorted(kinds))}, {words}, configs profiled: {found[-1]}")
    return found


plain = profile("plain")
mended = profile("mended", cpu_only_composing_models=["step"])
same = plain == (0, ["KIND_GPU"], True, 1) and mended[:3] == (0, ["KIND_CPU"], False) and mended[3] > 1
sys.exit(0 if same else "the behaviour changed")
CHECK
