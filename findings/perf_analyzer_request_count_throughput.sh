#!/usr/bin/env bash
# perf_analyzer 2.51 (in the tritonclient 2.51.0 wheel) reports a throughput that is far too low with --request-count: the
# requests a second of waiting, not those in the time in which they were answered.
#
# One would expect the number of requests over the time that they took, as without the option: a client of concurrency 1
# has about 1 / latency. By its figures the tool looks once a second whether all requests are done, and takes the time until
# it looks for the duration: 20 requests that took 10 ms are "20 infer/sec", 80 that took 40 ms are 80, so the figure follows
# the number asked for. It exits with 0, and the CSV file holds the same figure. Latencies are right. Ask for as many
# requests as take many seconds, or take concurrency / mean latency.
#
# Output seen (2 cores, in part busy; latencies differ between machines, throughputs do not):
#   --request-count 20  --concurrency-range 1: throughput  19.98 infer/sec, mean latency 473 usec, so about 2114
#   --request-count 40  --concurrency-range 1: throughput  39.95 infer/sec, mean latency 450 usec, so about 2222
#   --request-count 80  --concurrency-range 1: throughput  79.93 infer/sec, mean latency 421 usec, so about 2375
# Needs libb64 (Debian and Ubuntu: libb64-0d), which perf_analyzer is linked with.
source "$(dirname "${BASH_SOURCE[0]}")/triton.bash"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/client" \
    'tritonclient==2.51.0' 'nvidia-cuda-runtime-cu12==12.9.79'
serve FP32

address="${URL#http://}"
LD_LIBRARY_PATH="$folder/client/nvidia/cuda_runtime/lib" "$PYTHON" - "$folder/client/bin/perf_analyzer" "${address%%/*}" <<'CHECK'
import re
import subprocess
import sys

program, server = sys.argv[1:]
too_low = []
for count in (20, 40, 80):
    options = ["--request-count", str(count), "--concurrency-range", "1"]
    command = [program, "-u", server, "-m", "echo", "--shape", "IN_FP32:1", *options]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    throughput = float(re.search(r"Throughput: ([\d.]+)", output).group(1))
    latency = float(re.search(r"Avg latency: (\d+)", output).group(1))
    print(
        f"--request-count {count:<3} --concurrency-range 1: throughput {throughput:6.2f} infer/sec,"
        f" mean latency {latency:.0f} usec, so about {1e6 / latency:.0f}"
    )
    too_low.append(abs(throughput / count - 1) < 0.1 and throughput < 0.5e6 / latency)
sys.exit(0 if all(too_low) else "the behaviour changed")
CHECK
