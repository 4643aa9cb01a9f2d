#!/usr/bin/env bash
# Triton 2.51.0 answers 200 to the load of a model whose new config takes an ensemble down, and gives no reason for it.
#
# One would expect the load to fail, as it does if the ensemble is the model to be loaded, or the repository index to say
# what is wrong with the ensemble. The server loads the step, then finds that the ensemble does not fit it any more, unloads
# the ensemble and answers for the step alone. The index says "unloaded", as if somebody had asked for it; the server stays
# ready, and a fitting config of the step brings the ensemble back. Who lowers the max_batch_size of a step that several
# ensembles share must look at the index after the load, and load the ensemble to read the reason.
#
# Output seen (nvidia-pytriton 0.7.0, CPU):
#   step with max_batch_size 8, load step      -> 200; ensemble READY; server ready
#   step with max_batch_size 4, load step      -> 200; ensemble UNAVAILABLE: unloaded; server ready
#   load ensemble                              -> 400: ensemble both allows maximum batch size 8, but it contains model step
#                                                 which only allows maximum batch size to be 4
#   step with max_batch_size 8, load step      -> 200; ensemble READY; server ready
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
TRITON_OPTIONS=(--model-control-mode explicit --load-model echo)
serve FP32

"$PYTHON" - "${URL%/models/echo}" "$folder/models" <<'CHECK'
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

server, models = sys.argv[1], pathlib.Path(sys.argv[2])
TENSORS = 'input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }'


def load(model):
    try:
        with urllib.request.urlopen(f"{server}/repository/models/{model}/load", b"{}") as response:
            return str(response.status)
    except urllib.error.HTTPError as error:
        return f"{error.code}: {json.load(error)['error'].strip()}"


def ensemble():
    """What the index says of the ensemble, once it is neither loading nor unloading."""
    for _ in range(100):
        index = json.loads(urllib.request.urlopen(server + "/repository/index", b"{}").read())
        (both,) = (model for model in index if model["name"] == "both")
        if both["state"] in ("READY", "UNAVAILABLE"):
            return ": ".join(filter(None, (both["state"], both.get("reason"))))
        time.sleep(0.1)
    sys.exit("the ensemble did not settle")


def write_step(max_batch_size):
    time.sleep(0.1)  # files are compared by their times
    (models / "step/config.pbtxt").write_text(f'backend: "python" max_batch_size: {max_batch_size} {TENSORS}')


(models / "step/1").mkdir(parents=True)
(models / "step/1/model.py").write_bytes((models / "echo/1/model.py").read_bytes())
(models / "both/1").mkdir(parents=True)
(models / "both/config.pbtxt").write_text(
    f'platform: "ensemble" max_batch_size: 8 {TENSORS} ensemble_scheduling {{ step {{ model_name: "step" model_version: -1'
    ' input_map { key: "IN" value: "IN" } output_map { key: "OUT" value: "OUT" } } }'
)
write_step(8)
assert load("both") == "200"
same = True


def note(what, found, expected):
    global same
    same &= found == expected
    print(f"{what:42} -> {found}" + ("" if found == expected else f" (was {expected})"))


def load_step(max_batch_size, expected):
    write_step(max_batch_size)
    answer, state = load("step"), ensemble()
    ready = urllib.request.urlopen(server + "/health/ready").status == 200
    found = f"{answer}; ensemble {state}; server {'ready' if ready else 'not ready'}"
    note(f"step with max_batch_size {max_batch_size}, load step", found, expected)


load_step(8, "200; ensemble READY; server ready")
load_step(4, "200; ensemble UNAVAILABLE: unloaded; server ready")
reason = "ensemble both allows maximum batch size 8, but it contains model step which only allows maximum batch size to be 4"
note("load ensemble", load("both"), f"400: load failed for model 'both': {reason}")
load_step(8, "200; ensemble READY; server ready")
sys.exit(0 if same else "the behaviour changed")
CHECK
