#!/usr/bin/env bash
# Triton 2.51.0 answers HTTP requests with bodies that are no JSON once a tensor holds NaN or infinity.
#
# One would expect `null`, a string or an error, as JSON (RFC 8259, section 6) has no such numbers. The server writes the
# bare words NaN and Infinity under `Content-Type: application/json`. Python's json module reads them, so tritonclient
# hides it; strict parsers (JavaScript, Go, jq) refuse the whole answer, its valid tensors too. Requests may hold the same
# words. A finite JSON number beyond FP32's range is no error either: it becomes Infinity.
#
# Output seen (nvidia-pytriton 0.7.0, CPU):
#   NaN    -> "data":[NaN]
#   1e39   -> "data":[Infinity]
#   -1e39  -> "data":[-Infinity]
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
serve FP32

"$PYTHON" - "$URL/infer" <<'CHECK'
import json
import sys
import urllib.request


def refuse(word):
    raise ValueError(f"{word} is not JSON")


changed = False
for sent, seen in (("NaN", "NaN"), ("1e39", "Infinity"), ("-1e39", "-Infinity")):
    body = f'{{"inputs":[{{"name":"IN_FP32","shape":[1],"datatype":"FP32","data":[{sent}]}}]}}'
    with urllib.request.urlopen(sys.argv[1], body.encode()) as response:
        kind, text = response.headers["Content-Type"], response.read().decode()
    data = '"data":' + text.rpartition('"data":')[2].partition("]")[0] + "]"
    try:
        json.loads(text, parse_constant=refuse)
        strict = "JSON"
    except ValueError as error:
        strict = str(error)
    changed |= data != f'"data":[{seen}]' or kind != "application/json" or strict == "JSON"
    print(f"{sent:6} -> {kind}: {data} ({strict})")
sys.exit("the behaviour changed" if changed else 0)
CHECK
