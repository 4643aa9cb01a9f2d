#!/usr/bin/env bash
# perf_analyzer 2.51 (in the tritonclient 2.51.0 wheel) sends the same Poisson arrivals in every run, stretched to the rate.
#
# One would expect other random gaps in each run, so that repeated runs show how much the latency varies by chance of arrival.
# With --request-distribution poisson the gaps of two runs are the same, but for the jitter of sending, and at half the rate
# they are the same ones twice as long; no option sets a seed. The spread of repeated runs is then that of the machine alone,
# and a burst that happens to be in these gaps is in each of them. --request-intervals FILE offers gaps of one's own.
#
# Output seen (2 cores, in part busy; the last digits differ):
#   gaps of the first 400 requests, correlation of two runs at 200/s         -> 1.00
#   ... of a run at 200/s and one at 100/s                                   -> 1.00, mean gap 2.0 times
#   ... of two runs with intervals from a file, of two seeds                 -> 0.06
# Needs libb64 (Debian and Ubuntu: libb64-0d), which perf_analyzer is linked with.
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/client" \
    'tritonclient==2.51.0' 'nvidia-cuda-runtime-cu12==12.9.79'
serve FP32

address="${URL#http://}"
libraries="$folder/client/nvidia/cuda_runtime/lib"
LD_LIBRARY_PATH="$libraries" "$PYTHON" - "$folder/client/bin/perf_analyzer" "${address%%/*}" "$folder" <<'CHECK'
import itertools
import json
import pathlib
import random
import statistics
import subprocess
import sys

program, server, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
same = True


def gaps(*load):
    """Seconds between the first requests that were sent, after the very first ones."""
    export = folder / "requests.json"
    export.unlink(missing_ok=True)
    command = [program, "-u", server, "-m", "echo", "--shape", "IN_FP32:1", "--async", *load, "--max-trials", "3"]
    command += ["--measurement-interval", "2000", "--stability-percentage", "1000000000", "--profile-export-file", str(export)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (experiment,) = json.loads(export.read_text())["experiments"]
    sent = sorted(request["timestamp"] for request in experiment["requests"])
    return [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(sent)][10:410]


def poisson(rate):
    return gaps("--request-rate-range", str(rate), "--request-distribution", "poisson")


def from_file(seed):
    drawn = random.Random(seed)
    intervals = folder / "intervals"
    intervals.write_text("".join(f"{round(drawn.expovariate(200) * 1e6)}\n" for _ in range(2000)))
    return gaps("--request-intervals", str(intervals))


def note(what, one, other, expected, ratio=False):
    global same
    correlation = statistics.correlation(one, other)
    same &= expected(correlation)
    found = f"{correlation:.2f}"
    if ratio:
        times = statistics.mean(other) / statistics.mean(one)
        same &= 1.9 < times < 2.1
        found += f", mean gap {times:.1f} times"
    print(f"{what:72} -> {found}")


first = poisson(200)
note("gaps of the first 400 requests, correlation of two runs at 200/s", first, poisson(200), lambda it: it > 0.9)
note("... of a run at 200/s and one at 100/s", first, poisson(100), lambda it: it > 0.9, ratio=True)
note("... of two runs with intervals from a file, of two seeds", from_file(1), from_file(2), lambda it: abs(it) < 0.3)
sys.exit(0 if same else "the behaviour changed")
CHECK
