#!/usr/bin/env bash
# Triton 2.51.0 counts a model's warm-up (`model_warmup`) as inference: in the statistics extension and in Prometheus.
#
# One would expect both to hold what clients sent, and a model that nobody called to stand at zero. Every instance runs
# every sample `count` times when it is loaded, and each execution is counted like any other: `inference_stats`,
# `batch_stats`, `last_inference`, nv_inference_request_success. A sample of batch size 4 counts as 4 successful requests.
# The first executions are the slow ones, so means since the load (latency, batch size) are off for models with little
# traffic, and rules on a counter's increase see requests at each restart. Differences of two answers after the load are
# right.
#
# Output seen (nvidia-pytriton 0.7.0, CPU), 2 instances, a sample of batch size 4 with count 3, no request sent:
#   statistics: 24 requests, 24 inferences, 6 executions, batch sizes [4], last_inference set
#   metrics: nv_inference_request_success 24, nv_inference_count 24, nv_inference_exec_count 6
# One request of batch size 1 then:
#   statistics: 25 requests, 25 inferences, 7 executions, batch sizes [1, 4], last_inference set
#   metrics: nv_inference_request_success 25, nv_inference_count 25, nv_inference_exec_count 7
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
metrics="$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
TRITON_OPTIONS=(
    --model-control-mode explicit --load-model echo
    --allow-metrics true --metrics-address 127.0.0.1 --metrics-port "$metrics"
)
serve FP32

"$PYTHON" - "${URL%/models/echo}" "http://127.0.0.1:$metrics/metrics" "$folder/models" <<'CHECK'
import json
import pathlib
import re
import sys
import time
import urllib.request

server, metrics, models = *sys.argv[1:3], pathlib.Path(sys.argv[3])
(models / "warm/1").mkdir(parents=True)
(models / "warm/1/model.py").write_bytes((models / "echo/1/model.py").read_bytes())
(models / "warm/config.pbtxt").write_text("""
backend: "python" max_batch_size: 8 instance_group { count: 2 kind: KIND_CPU }
input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }
model_warmup {
  name: "sample" batch_size: 4 count: 3
  inputs { key: "IN" value { data_type: TYPE_FP32 dims: [ 1 ] zero_data: true } }
}
""")
urllib.request.urlopen(server + "/repository/models/warm/load", b"{}")
same = True


def counted(requests, executions, sizes):
    global same
    for _ in range(50):  # a request is counted after its answer
        (found,) = json.load(urllib.request.urlopen(server + "/models/warm/stats"))["model_stats"]
        if found["inference_stats"]["success"]["count"] >= requests:
            break
        time.sleep(0.1)
    seen = sorted(each["batch_size"] for each in found["batch_stats"])
    figures = (found["inference_stats"]["success"]["count"], found["inference_count"], found["execution_count"])
    last = "set" if found["last_inference"] else "not set"
    print("statistics: %d requests, %d inferences, %d executions," % figures, f"batch sizes {seen}, last_inference {last}")
    text = urllib.request.urlopen(metrics).read().decode()
    names = ("nv_inference_request_success", "nv_inference_count", "nv_inference_exec_count")
    values = [int(re.search(rf'^{name}{{model="warm",version="1"}} (\d+)', text, re.M).group(1)) for name in names]
    print("metrics: " + ", ".join(f"{name} {value}" for name, value in zip(names, values)))
    same &= tuple(values) == figures == (requests, requests, executions) and (seen, last) == (sizes, "set")


counted(24, 6, [4])
body = b'{"inputs":[{"name":"IN","shape":[1,1],"datatype":"FP32","data":[1]}]}'
urllib.request.urlopen(server + "/models/warm/infer", body).read()
counted(25, 7, [1, 4])
sys.exit(0 if same else "the behaviour changed")
CHECK
