#!/usr/bin/env bash
# Triton 2.51.0 keeps a config that a load brought (the `config` parameter of the repository API) when the model is loaded
# again without one, and drops it once any file of the model changes.
#
# One would expect a plain load to read config.pbtxt again, as it is the only load that names no other config. The server
# compares the model's files with those of the last load: nothing changed, so the load does nothing and answers 200. The
# way back is to unload first, or to touch a file. The other side: who edits model.py during a trial with another config
# and loads the model to try the edit gets the config on disk back.
#
# Output seen (nvidia-pytriton 0.7.0, CPU), with max_batch_size 8 in config.pbtxt:
#   loaded                            -> 8
#   loaded with a config              -> 4
#   loaded                            -> 4
#   model.py touched, loaded          -> 8
#   loaded with a config              -> 4
#   unloaded, loaded                  -> 8
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
TRITON_OPTIONS=(--model-control-mode explicit --load-model echo)
serve FP32

"$PYTHON" - "${URL%/models/echo}" "$folder/models" <<'CHECK'
import json
import os
import pathlib
import sys
import time
import urllib.request

server, models = sys.argv[1], pathlib.Path(sys.argv[2])


def post(path, body):
    with urllib.request.urlopen(server + path, json.dumps(body).encode()) as response:
        return response.status


def load(**parameters):
    assert post("/repository/models/mine/load", {"parameters": parameters}) == 200


def unload():
    post("/repository/models/mine/unload", {})
    for _ in range(100):
        index = json.loads(urllib.request.urlopen(server + "/repository/index", b"{}").read())
        if any(model["name"] == "mine" and model.get("reason") == "unloaded" for model in index):
            return
        time.sleep(0.1)
    sys.exit("the model was not unloaded")


def size():
    return json.load(urllib.request.urlopen(server + "/models/mine/config"))["max_batch_size"]


(models / "mine/1").mkdir(parents=True)
code = models / "mine/1/model.py"
code.write_bytes((models / "echo/1/model.py").read_bytes())
config = {
    "backend": "python",
    "max_batch_size": 4,
    "input": [{"name": "IN", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "OUT", "data_type": "TYPE_FP32", "dims": [1]}],
}
(models / "mine/config.pbtxt").write_text(
    'backend: "python" max_batch_size: 8'
    ' input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] } output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }'
)
load()
load()  # a second time, as the first writes bytecode beside model.py, which is a change too
seen = []


def note(what, expected):
    seen.append(size() == expected)
    print(f"{what:33} -> {size()}" + ("" if seen[-1] else f" (was {expected})"))


note("loaded", 8)
load(config=json.dumps(config))
note("loaded with a config", 4)
load()
note("loaded", 4)
os.utime(code)
load()
note("model.py touched, loaded", 8)
load(config=json.dumps(config))
note("loaded with a config", 4)
unload()
load()
note("unloaded, loaded", 8)
sys.exit(0 if all(seen) else "the behaviour changed")
CHECK
