#!/usr/bin/env bash
# Triton 2.51.0 wraps an integer of a JSON tensor that does not fit its data type, without an error.
#
# One would expect an error, as there is one for 64-bit types and for a negative number in an unsigned tensor. Only those
# two are checked: the server reads every JSON integer as 64 bits and keeps the lower ones. A client that sends token ids
# or sizes as JSON gets an answer to another question. Binary tensors have no such step.
#
# Output seen (nvidia-pytriton 0.7.0, CPU):
#   INT8    300         -> [44]
#   INT16   -32769      -> [32767]
#   INT32   2147483648  -> [-2147483648]
#   UINT8   256         -> [0]
#   UINT16  65536       -> [0]
#   UINT8   -1          -> error: attempt to access JSON non-unsigned-integer as unsigned-integer
#   INT64   2^63        -> error: attempt to access JSON non-signed-integer as signed-integer
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
serve INT8 INT16 INT32 INT64 UINT8 UINT16

"$PYTHON" - "$URL/infer" <<'CHECK'
import json
import sys
import urllib.error
import urllib.request


def answer(kind, value):
    body = json.dumps({"inputs": [{"name": f"IN_{kind}", "shape": [1], "datatype": kind, "data": [value]}]})
    try:
        with urllib.request.urlopen(sys.argv[1], body.encode()) as response:
            return json.load(response)["outputs"][0]["data"]
    except urllib.error.HTTPError as error:
        return "error: " + json.load(error)["error"].removeprefix("Unable to parse 'data': ")


SEEN = {
    ("INT8", 300): [44],
    ("INT16", -32769): [32767],
    ("INT32", 2**31): [-(2**31)],
    ("UINT8", 256): [0],
    ("UINT16", 65536): [0],
    ("UINT8", -1): "error: attempt to access JSON non-unsigned-integer as unsigned-integer",
    ("INT64", 2**63): "error: attempt to access JSON non-signed-integer as signed-integer",
}
changed = False
for (kind, value), seen in SEEN.items():
    found = answer(kind, value)
    changed |= found != seen
    print(f"{kind:7} {value:<20} -> {found}" + ("" if found == seen else f" (was {seen})"))
sys.exit("the behaviour changed" if changed else 0)
CHECK
