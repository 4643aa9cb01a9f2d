#!/usr/bin/env bash
# Triton 2.51.0 keeps a model's counters, and the state of its instances, when a load changes its instance count alone.
#
# One would expect each load of a changed config to start the model anew, like that of any other field: instances are made
# anew and the statistics begin at zero. If nothing but instance_group differs, the running instances stay as they are (in
# the Python backend their processes), only those that are missing are made, those with the highest numbers end first, and
# the counters go on. A comparison of configs by the totals of /stats after each load therefore adds the requests of all
# instance counts together, and an instance that was warm, or had grown, is the same one in the next config.
#
# Output seen (nvidia-pytriton 0.7.0, CPU), each line after 3 more requests:
#   count 1, first load                    -> 3 inferences counted; made by then: 0
#   count 2, nothing else changed          -> 6 inferences counted; made by then: 0 1
#   count 1, nothing else changed          -> 9 inferences counted; made by then: 0 1
#   count 3, nothing else changed          -> 12 inferences counted; made by then: 0 1 1 2
#   count 3, max_batch_size 4 instead of 8 -> 3 inferences counted; made by then: 0 1 1 2 0 1 2
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
TRITON_OPTIONS=(--model-control-mode explicit --load-model echo)
serve FP32

"$PYTHON" - "${URL%/models/echo}" "$folder" <<'CHECK'
import json
import pathlib
import py_compile
import sys
import time
import urllib.request

server, folder = sys.argv[1], pathlib.Path(sys.argv[2])
model, made = folder / "models/counted", folder / "made"
(model / "1").mkdir(parents=True)
(model / "1/model.py").write_text(
    f"""
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        with open({str(made)!r}, "a") as file:
            print(args["model_instance_name"].rpartition("_")[2], file=file)

    def execute(self, requests):
        tensors = [request.inputs()[0].as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]) for tensor in tensors]
"""
)
py_compile.compile(model / "1/model.py")  # else its bytecode counts as a change, see triton_python_model_reloads_itself.sh
same, instances = True, []


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(server + path, data)).read()


def load(what, expected, count, max_batch_size=8):
    global same
    time.sleep(0.1)  # files are compared by their times
    (model / "config.pbtxt").write_text(
        f'backend: "python" max_batch_size: {max_batch_size} instance_group {{ count: {count} kind: KIND_CPU }}'
        ' input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }'
    )
    ask("/repository/models/counted/load", {})
    for _ in range(3):
        ask("/models/counted/infer", {"inputs": [{"name": "IN", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]})
    counted = json.loads(ask("/models/counted/stats"))["model_stats"][0]["inference_count"]
    known, now = len(instances), made.read_text().split()
    instances.extend(sorted(now[known:]))  # instances of one load are made side by side
    found = f"{counted} inferences counted; made by then: {' '.join(instances)}"
    same &= found == expected
    print(f"{what:38} -> {found}" + ("" if found == expected else f" (was {expected})"))


load("count 1, first load", "3 inferences counted; made by then: 0", 1)
load("count 2, nothing else changed", "6 inferences counted; made by then: 0 1", 2)
load("count 1, nothing else changed", "9 inferences counted; made by then: 0 1", 1)
load("count 3, nothing else changed", "12 inferences counted; made by then: 0 1 1 2", 3)
load("count 3, max_batch_size 4 instead of 8", "3 inferences counted; made by then: 0 1 1 2 0 1 2", 3, 4)
sys.exit(0 if same else "the behaviour changed")
CHECK
