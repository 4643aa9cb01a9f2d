"""Counters become intervals, intervals are judged, and traffic becomes a trace."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documented_studies import tuned_study
from reported_studies import result, trial

from autotune.cli import main
from autotune.cli._watch import REQUEST, again
from autotune.drift import Counters, Expectation, Interval, arrival_times, read_counters, write_trace
from autotune.errors import AutotuneError
from autotune.load import read_trace
from autotune.objective import Ceiling, Objective
from autotune.store import Store, database_url

TEXT = """\
# HELP nv_inference_request_success Number of successful inference requests, all batch sizes
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="iris",version="1"} 100
nv_inference_request_success{model="iris",version="2"} 20
nv_inference_request_success{model="other",version="1"} 7
# HELP nv_inference_request_failure Number of failed inference requests, all batch sizes
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="iris",reason="OTHER",version="1"} 3
nv_inference_request_failure{model="iris",reason="CANCELED",version="1"} 2
# TYPE nv_inference_count counter
nv_inference_count{model="iris",version="1"} 480
# TYPE nv_inference_exec_count counter
nv_inference_exec_count{model="iris",version="1"} 60
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="iris",version="1"} 240000
"""


@contextmanager
def served(*texts: str) -> Iterator[str]:
    """The URL of a server that answers with one text after the other, and at last with the last one."""
    left = list(texts)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((left.pop(0) if len(left) > 1 else left[0]).encode())

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def test_counters_are_summed_over_versions_and_reasons() -> None:
    with served(TEXT) as url:
        found = read_counters(url, "iris")
    assert (found.requests, found.failures, found.inferences, found.executions) == (120, 5, 480, 60)


def test_counters_of_models_that_share_the_load_are_summed() -> None:
    with served(TEXT) as url:
        assert read_counters(url, "iris", "other").requests == 127
        with pytest.raises(AutotuneError, match="no counters of model 'mnist'; it has iris, other"):
            read_counters(url, "iris", "mnist")


def test_other_models_are_named() -> None:
    with served(TEXT) as url, pytest.raises(AutotuneError, match=r"no counters of model 'mnist'; it has iris, other"):
        read_counters(url, "mnist")
    with served("<html>") as url, pytest.raises(AutotuneError, match="--metrics: "):
        read_counters(url, "iris")
    with pytest.raises(AutotuneError, match="does not answer"):
        read_counters("http://127.0.0.1:9/metrics", "iris")


def test_what_speaks_no_http_is_named() -> None:
    """Such as Triton's gRPC port, one below that of the metrics."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\0\0\6\4\0\0\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(AutotuneError, match=r"--metrics: .* does not answer"):
            read_counters(f"http://127.0.0.1:{server.getsockname()[1]}/metrics", "iris")
        answering.join()


def test_a_server_that_is_away_for_a_while_ends_no_watch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Store.open(database_url(tmp_path))) as store:
        tuned_study(store, name="s", model="iris", trials=3)
    grown = TEXT.replace("} 100\n", "} 900\n")
    with served(TEXT, TEXT, "", TEXT, grown) as url:
        where = ["--results", str(tmp_path), "--metrics", url]
        main(["watch", "s", *where, "--interval", "1s", "--duration", "4s", "--write-trace", str(tmp_path / "t.txt")])
    _, nothing, away, seen, *_ = capsys.readouterr().out.splitlines()
    assert nothing == "no request"
    assert "has no counters of model 'iris'" in away
    assert "inferences/s" in seen
    assert len((tmp_path / "t.txt").read_text().splitlines()) == 801


def test_an_interval_is_the_difference() -> None:
    before = Counters(10.0, 100, 1, 400, 50, 1e6, 5e5)
    after = Counters(12.0, 300, 2, 1200, 150, 3e6, 1.5e6)
    found = Interval.between(before, after)
    assert found is not None
    assert (found.requests, found.failures, found.requests_per_s, found.inferences_per_s) == (200, 1, 100, 400)
    assert (found.mean_batch, found.latency_s, found.queue_s) == (8, 0.01, 0.005)


def test_a_restart_of_the_server_is_no_interval() -> None:
    assert Interval.between(Counters(0.0, 100), Counters(1.0, 3)) is None


def test_traffic_becomes_a_trace_that_can_be_tuned_for(tmp_path: Path) -> None:
    quiet = Interval(2.0, 10, 0, 5, 5, 1, 0.001, 0.0)
    busy = replace(quiet, requests=100)
    times = arrival_times([quiet, busy])
    assert (np.diff(times) >= 0).all()
    assert [(times < 2).sum(), (times >= 2).sum()] == [10, 100]
    write_trace(tmp_path / "trace.txt", [quiet, busy])
    assert len(read_trace(tmp_path / "trace.txt", "timestamps").times_s) == 110


@pytest.mark.parametrize("goal", ["latency", "goodput", "memory"])
def test_a_study_at_a_rate_is_judged_by_that_rate(goal: Any) -> None:
    """Its result is a latency, or answers in time: no rate that traffic could exceed."""
    found = result(trial(0, "baseline", 0.002))
    limit_s = 0.005 if goal == "goodput" else None
    asked = replace(found, objective=Objective(goal, (), rate_per_s=123.0, goodput_s=limit_s))
    assert Expectation(found).sustained_per_s != 123
    assert Expectation(asked).sustained_per_s == 123


def test_a_rate_for_a_latency_beside_the_throughput_is_not_what_is_sustained() -> None:
    found = result(trial(0, "baseline", 0.002))
    both = replace(found.objective, rate_per_s=123.0, also=("p99",))
    assert Expectation(replace(found, objective=both)).sustained_per_s == Expectation(found).sustained_per_s


def test_the_advice_is_a_command_for_the_same_objective() -> None:
    ceilings = (Ceiling("p99", 0.005), Ceiling("p99.9", 0.008))
    watched = replace(result(trial(0, "baseline", 0.002)), objective=Objective("throughput", ceilings, within=0.05))
    request = REQUEST(results="other place", storage="postgresql://me:secret@host/db", write_trace="seen.txt")
    assert again(request, watched) == (
        "autotune run --model net --p99 5ms --ceiling p99.9=8ms --trace seen.txt --within 5% --study net-p99-5ms-again"
        " --results 'other place' --storage 'postgresql://me:***@host/db'"
    )
    shared = Objective(
        "throughput", (Ceiling("p99", 0.005, "a"), Ceiling("p99", 0.02, "b")), weights=(("a", 2), ("b", 1))
    )
    assert again(REQUEST(), replace(watched, objective=shared)) == (
        "autotune run --models a=2,b=1 --p99 a=5ms,b=20ms --study net-p99-5ms-again"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--metrics: none is given"),
        (["--metrics", "file:///etc/passwd"], "--metrics: 'file:///etc/passwd' is no URL"),
        (["--metrics", "http://127.0.0.1:8002/metrics", "--interval", "10ms"], "--interval: 10ms is not between"),
        (["--metrics", "http://127.0.0.1:8002/metrics", "--write-trace", "."], "--write-trace: . is not a file"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", *arguments]) == 2
    assert words in capsys.readouterr().err
