"""perf_analyzer command lines, as reports and its documentation have them, in the options of ``autotune measure``."""

import pytest

from autotune.errors import UsageError
from autotune.load import ClosedLoop, ConstantRate, PoissonRate
from autotune.request import MeasureRequest


def read(line: str, **options: object) -> tuple[MeasureRequest, str]:
    """The request, and its notes."""
    request, notes = MeasureRequest(from_perf_analyzer=line, **options).completed()  # type: ignore[arg-type]
    return request, "\n".join(notes)


def test_the_command_of_a_report_is_read() -> None:
    line = "perf_analyzer -m onnx-mnist -u localhost:9000 --concurrency-range 8:8 --shape input:1,1,28,28"
    request, notes = read(line)
    assert (request.model, request.shape) == ("onnx-mnist", ("input:1,1,28,28",))
    assert request.loads() == {1: (ClosedLoop(8),)}
    shown = "--model onnx-mnist --concurrency 8:8 --shape input:1,1,28,28"
    assert notes.splitlines()[0] == f"--from-perf-analyzer: read as {shown}"
    assert (
        "ignored, without a counterpart: --url localhost:9000 (autotune starts a server; for a running one add" in notes
    )


def test_an_ensembles_command_with_data_over_grpc_is_read() -> None:
    request, _ = read(
        "$ docker run sdk /workspace/perf_analyzer -m ensemble_python_resnet50 -u localhost:8001 -i gRPC \\\n"
        "  --concurrency-range 1:8 --input-data a.json --input-data=b.json --shape INPUT:1005970 | tee out.txt"
    )
    assert (request.protocol, request.concurrency) == ("grpc", "1:8")
    assert request.input_data == ("a.json", "b.json")


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ("-b 8", {"batch_size": 8}),
        ("-b8 -p 2500", {"batch_size": 8, "duration": "2500ms"}),
        ("--measurement-interval=100 --streaming", {"duration": "100ms", "streaming": True}),
        ("--shared-memory system", {"shared_memory": "system"}),
        ("--bls-composing-models=a:3,b", {"composing_models": ("a", "b")}),
        ("--request-intervals gaps.txt", {"trace": "gaps.txt", "trace_format": "gaps", "trace_unit": "us"}),
        ("--service-kind=triton --measurement-mode time_windows", {}),
    ],
)
def test_each_flag_has_its_option(flags: str, options: dict[str, object]) -> None:
    request, notes = read(f"perf_analyzer -m m {flags}")
    assert {name: getattr(request, name) for name in options} == options
    assert "without counterpart" not in notes


def test_rates_of_requests_become_rates_of_inferences() -> None:
    request, _ = read("perf_analyzer -m m -b 4 --request-rate-range 10:20:5")
    assert request.loads() == {4: (ConstantRate(10), ConstantRate(15), ConstantRate(20))}
    drawn, _ = read("perf_analyzer -m m --request-rate-range 10 --request-distribution poisson")
    assert isinstance(drawn.loads()[1][0], PoissonRate)


@pytest.mark.parametrize(
    "flags",
    [
        "--shared-memory cuda",
        "--percentile 95",
        "-l 50",
        "-f out.csv",
        "--async",
        "--max-threads 4",
        "--sequence-length-variation 5",
        "--serial-sequences",
    ],
)
def test_what_has_no_counterpart_is_listed(flags: str) -> None:
    _, notes = read(f"perf_analyzer -m m {flags}")
    assert "--from-perf-analyzer: ignored, without a counterpart: --" in notes
    assert flags.rsplit(maxsplit=1)[-1] in notes or flags in ("--async", "--serial-sequences")


def test_sequences_keep_their_length_and_number() -> None:
    request, notes = read("perf_analyzer -m m --request-rate-range 10 --sequence-length 5 --num-of-sequences=8")
    assert (request.sequence_length, request.num_of_sequences) == (5, 8)
    assert "without counterpart" not in notes


def test_options_beside_the_command_win() -> None:
    line = "perf_analyzer -m m -i grpc --concurrency-range 1:16 -p 5000"
    request, notes = read(line, protocol="http", rate=100, duration="1s")
    assert (request.protocol, request.duration, request.concurrency) == ("http", "1s", None)
    assert isinstance(request.loads()[1][0], PoissonRate)
    assert notes == "--from-perf-analyzer: read as --model m"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("triton", "is no command of perf_analyzer; paste 'perf_analyzer -m MODEL ...'"),
        ("model-analyzer profile", "is no command of perf_analyzer"),
        ("perf_analyzer -m 'a", "cannot be read: no closing quotation"),
        ("perf_analyzer -m", "--model-name has no value"),
        ("perf_analyzer m", "'m' belongs to no flag"),
        ("perf_analyzer -m m -b x", "--batch-size 'x' is not a whole number above zero"),
        ("perf_analyzer -m m --concurrency-range 1:0", "--concurrency-range 1:0 has no end"),
        ("perf_analyzer -m m -b 2 --request-rate-range a:b", "--request-rate-range 'a:b' is not a range"),
    ],
)
def test_a_command_that_cannot_be_measured_is_refused(line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(line)
    assert str(caught.value).startswith("--from-perf-analyzer: ")
    assert words in str(caught.value)


def test_a_scenario_beside_a_command_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--from-perf-analyzer: --scenario has loads of its own"):
        read("perf_analyzer -m m", scenario="online")
