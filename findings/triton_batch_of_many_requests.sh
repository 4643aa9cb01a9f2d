#!/usr/bin/env bash
# Triton 2.51.0 counts 16 requests that were batched and one request of 16 items as executions of the same batch size. The
# former take several times as long in a Python model that only returns its input.
#
# One would expect the times of a size in `batch_stats` to be what any batch of that size takes, so that requests of 16
# items, sent one at a time (`perf_analyzer -b 16`), show what the dynamic batcher gets from batches of 16. But every
# request of a batch is handed to the model's process, answered and copied back by itself, and all of that is compute
# time. What one kind of batch takes says too little of the other.
#
# Output seen (nvidia-pytriton 0.7.0, CPU, 2 cores):
#   executions of 16 counted, 30 of each kind: 60
#   16 requests of 1 item take at least 2 times as long as 1 request of 16 items: yes
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
mkdir -p "$folder/models/batched/1"
cat >"$folder/models/batched/config.pbtxt" <<'CONFIG'
backend: "python"
max_batch_size: 16
dynamic_batching { max_queue_delay_microseconds: 2000000 }
input { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] }
CONFIG
cat >"$folder/models/batched/1/model.py" <<'MODEL'
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        tensors = [request.inputs()[0].as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]) for tensor in tensors]
MODEL
serve FP32

"$PYTHON" - "${URL%/echo}/batched" <<'CHECK'
import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

model, rounds = sys.argv[1], 30


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    return json.loads(urllib.request.urlopen(urllib.request.Request(model + path, data)).read())


def infer(items):
    ask("/infer", {"inputs": [{"name": "IN", "shape": [items, 4], "datatype": "FP32", "data": [1.0] * 4 * items}]})


def counted():
    sizes = {each["batch_size"]: each for each in ask("/stats")["model_stats"][0]["batch_stats"]}
    found = sizes.get(16)
    if found is None:
        return 0, 0
    return found["compute_infer"]["count"], sum(found["compute_" + part]["ns"] for part in ("input", "infer", "output"))


def taken_ms(send):
    send()  # the first one is slower
    before = counted()
    for _ in range(rounds):
        send()
    after = counted()
    return after[0] - before[0], (after[1] - before[1]) / max(1, after[0] - before[0]) / 1e6


with ThreadPoolExecutor(16) as pool:
    many, many_ms = taken_ms(lambda: list(pool.map(infer, [1] * 16)))
one, one_ms = taken_ms(lambda: infer(16))
print(f"executions of 16 counted, {rounds} of each kind: {many + one}")
longer = many_ms >= 2 * one_ms
print(
    "16 requests of 1 item take at least 2 times as long as 1 request of 16 items:",
    "yes" if longer else "no",
    f"({many_ms:.2f} and {one_ms:.2f} ms)",
)
sys.exit(0 if longer and many == one == rounds else "the behaviour changed")
CHECK
