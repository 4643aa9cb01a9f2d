#!/usr/bin/env bash
# Triton 2.51.0 in poll mode loads a Python model a second time at the first poll, though nobody touched its files.
#
# One would expect a model to be loaded again only if its files are changed. Python's interpreter writes the bytecode of
# model.py beside it when the model is first loaded; the folder of the version is then newer than it was, which Triton takes
# for a change. The first poll (or, in explicit mode, the first load of a model that is loaded and unchanged) starts all
# instances anew and sets the counters of the statistics to zero. Later polls and loads do nothing, since the bytecode is
# there by then. So each start in a fresh checkout or container pays for two loads, and counts that are read across the first
# poll go backwards. PYTHONDONTWRITEBYTECODE=1 changes nothing: the backend's process ignores it. Bytecode that is there
# before the start (python -m compileall with the backend's Python) avoids it.
#
# Output seen (nvidia-pytriton 0.7.0, CPU):
#   poll mode, after 3 requests and the first poll            -> loaded 2 times; 0 inferences counted
#   ... after 3 requests and another poll                     -> loaded 2 times; 3 inferences counted
#   poll mode with PYTHONDONTWRITEBYTECODE=1, the same        -> loaded 2 times; 0 inferences counted
#   poll mode with bytecode before the start, the same        -> loaded 1 times; 3 inferences counted
#   explicit mode, after 3 requests and a load                -> loaded 2 times; 0 inferences counted
#   ... after 3 requests and another load                     -> loaded 2 times; 3 inferences counted
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"

"$PYTHON" - "$folder" <<'CHECK'
import json
import os
import pathlib
import py_compile
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

folder = pathlib.Path(sys.argv[1])
models, loads = folder / "models", folder / "loads"
MODEL = f"""
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        with open({str(loads)!r}, "a") as file:
            print("loaded", file=file)

    def execute(self, requests):
        tensors = [request.inputs()[0].as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", tensor)]) for tensor in tensors]
"""
CONFIG = """
backend: "python"
input { name: "IN" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 1 ] }
instance_group { count: 1 kind: KIND_CPU }
"""
same = True


class Server:
    def __init__(self, *options, compiled=False, **environment):
        shutil.rmtree(models, ignore_errors=True)
        loads.unlink(missing_ok=True)
        (models / "plain/1").mkdir(parents=True)
        (models / "plain/1/model.py").write_text(MODEL)
        (models / "plain/config.pbtxt").write_text(CONFIG)
        if compiled:
            py_compile.compile(models / "plain/1/model.py")
        time.sleep(1.5)  # whatever the resolution of file times is
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v2"
        command = [folder / "tritonserver", "--model-repository", models, "--http-address", "127.0.0.1"]
        command += ["--http-port", str(port), "--allow-grpc", "false", "--allow-metrics", "false", *options]
        with open(folder / "log", "w") as log:
            self.process = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)

    def __enter__(self):
        for _ in range(120):
            try:
                self.ask("/models/plain/ready")
                return self
            except OSError:
                time.sleep(0.5)
        sys.exit("Triton did not become ready: " + (folder / "log").read_text()[-500:])

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=10).read()

    def infer(self):
        tensor = {"name": "IN", "shape": [1], "datatype": "FP32", "data": [1.0]}
        for _ in range(3):
            self.ask("/models/plain/infer", {"inputs": [tensor]})

    def note(self, what, expected):
        global same
        count = json.loads(self.ask("/models/plain/stats"))["model_stats"][0]["inference_count"]
        found = f"loaded {len(loads.read_text().splitlines())} times; {count} inferences counted"
        same &= found == expected
        print(f"{what:57} -> {found}" + ("" if found == expected else f" (was {expected})"))


POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "4")
with Server(*POLL) as server:
    server.infer()
    time.sleep(8)
    server.note("poll mode, after 3 requests and the first poll", "loaded 2 times; 0 inferences counted")
    server.infer()
    time.sleep(8)
    server.note("... after 3 requests and another poll", "loaded 2 times; 3 inferences counted")
with Server(*POLL, PYTHONDONTWRITEBYTECODE="1") as server:
    server.infer()
    time.sleep(8)
    server.note("poll mode with PYTHONDONTWRITEBYTECODE=1, the same", "loaded 2 times; 0 inferences counted")
with Server(*POLL, compiled=True) as server:
    server.infer()
    time.sleep(8)
    server.note("poll mode with bytecode before the start, the same", "loaded 1 times; 3 inferences counted")
with Server("--model-control-mode", "explicit", "--load-model", "plain") as server:
    server.infer()
    server.ask("/repository/models/plain/load", {})
    server.note("explicit mode, after 3 requests and a load", "loaded 2 times; 0 inferences counted")
    server.infer()
    server.ask("/repository/models/plain/load", {})
    server.note("... after 3 requests and another load", "loaded 2 times; 3 inferences counted")
sys.exit(0 if same else "the behaviour changed")
CHECK
