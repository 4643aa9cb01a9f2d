import os
import time

import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load._trace_file import read_trace


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "arrivals.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_timestamps_start_the_replay_at_once(write):
    trace = read_trace(write("1700000000.5\n1700000000.75\n1700000002.5\n"), "timestamps")
    np.testing.assert_allclose(trace.times_s, [0.0, 0.25, 2.0])
    assert trace.rate_per_s == pytest.approx(1.5)


def test_gaps_are_waits_before_each_request(write):
    trace = read_trace(write("0.5\n0.25\n0\n1e-1\n"), "gaps")
    np.testing.assert_allclose(trace.times_s, [0.5, 0.75, 0.75, 0.85])


def test_comments_blank_lines_and_spaces_are_skipped(write):
    path = write("\ufeff# recorded in May\r\n\r\n  1 # first\r\n\t2.5\r\n#3\r\n 4")
    np.testing.assert_allclose(read_trace(path, "timestamps").times_s, [0.0, 1.5, 3.0])


def test_perf_analyzers_intervals_are_microseconds(write):
    np.testing.assert_allclose(read_trace(write("100\n200\n300\n"), "gaps", unit="us").times_s, [1e-4, 3e-4, 6e-4])


def test_unix_times_in_nanoseconds_keep_microseconds(write):
    start = 1_700_000_000_000_000_000
    trace = read_trace(write(f"{start}\n{start + 250_000}\n{start + 2_000_000_000}\n"), "timestamps", unit="ns")
    np.testing.assert_allclose(trace.times_s, [0, 0.00025, 2], atol=1e-6)
    with pytest.raises(
        UsageError, match=r"^--trace: .*: line 1: 'x' is not a number; write one a line, in nanoseconds"
    ):
        read_trace(write("x"), "timestamps", unit="ns")
    with pytest.raises(UsageError, match=r"^--trace-unit: 'm' is unknown; use s, ms, us, ns"):
        read_trace(write("1"), "timestamps", unit="m")


def test_equal_timestamps_are_a_burst(write):
    assert read_trace(write("3\n3\n3\n"), "timestamps").times_s.tolist() == [0.0, 0.0, 0.0]


def test_trace_is_named_after_its_file(write):
    path = write("1\n2\n")
    assert read_trace(path, "gaps").name == str(path)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("1\n\nfast\n", "timestamps", "line 3: 'fast' is not a number; write one a line, in seconds"),
        ("# rates\n1,2\n", "gaps", "line 2: '1,2' is not a number; write one a line, in seconds"),
        ("1\n-0.5\n", "gaps", "line 2: -0.5 is not a time; write seconds of 0 or more"),
        ("-1\n", "timestamps", "line 1: -1 is not a time; write seconds of 0 or more"),
        ("1\n" + "z" * 50_000_000, "gaps", f"line 2: '{'z' * 40}'... is not a number; write one a line, in seconds"),
        ("1\n" + "9" * 50_000_000, "gaps", f"line 2: {'9' * 40}... is not a time; write seconds of 0 or more"),
        ("1\nnan\n", "gaps", "line 2: nan is not a time; write seconds of 0 or more"),
        ("1\n# x\ninf\n", "timestamps", "line 3: inf is not a time; write seconds of 0 or more"),
        (
            "0.1\n\n0.7\n0.5\n",
            "timestamps",
            "line 4: 0.5 comes after 0.7; timestamps must not decrease;"
            " if these are gaps between arrivals, say --trace-format gaps",
        ),
        ("", "timestamps", "holds no number; write one a line, in seconds"),
        ("# nothing\n\n", "gaps", "holds no number; write one a line, in seconds"),
    ],
)
def test_file_that_is_no_trace_is_refused_with_its_line(write, content, kind, message):
    path = write(content)
    with pytest.raises(UsageError) as refused:
        read_trace(path, kind)
    assert str(refused.value) == f"--trace: {path}: {message}"


def test_unreadable_file_is_refused(tmp_path, write):
    with pytest.raises(UsageError, match=r"^--replay: cannot read .*none.txt: No such file"):
        read_trace(tmp_path / "none.txt", "gaps", flag="--replay")
    with pytest.raises(UsageError, match=r"^--trace: cannot read .*: Is a directory"):
        read_trace(tmp_path, "gaps")
    with pytest.raises(UsageError, match=r"^--trace: cannot read .*arrivals.txt: it is not UTF-8 text"):
        read_trace(write(b"1\n\xff\n"), "gaps")


def test_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"^--trace: .*pipe: it is a pipe or a device; write its content to a file"):
        read_trace(tmp_path / "pipe", "gaps")


def test_unknown_format_is_refused(write):
    with pytest.raises(UsageError, match="--trace-format: 'rates' is unknown; use timestamps or gaps"):
        read_trace(write("1\n"), "rates")


def test_a_million_arrivals_are_read_in_seconds(write):
    times = np.cumsum(np.random.default_rng(0).exponential(0.001, 1_000_000))
    path = write("\n".join(map(repr, times.tolist())))
    started = time.process_time()
    trace = read_trace(path, "timestamps")
    assert time.process_time() - started < 8
    np.testing.assert_allclose(trace.times_s, times - times[0], rtol=1e-12, atol=1e-9)
