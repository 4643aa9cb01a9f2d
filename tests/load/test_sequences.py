"""Which request is which step of a sequence, and how that is written."""

import json

import numpy as np
import pytest

from autotune.load import Payload, SequencePlan, Tensor, Traffic, sequence_plan
from autotune.load._sequences import Sequences, Step
from autotune.load.grpc._request import build_grpc_request, sequence_parameters
from autotune.load.http._request import Stamps, build_http_request

_STREAMS = ((0, 1, 2), (3,))
_PAYLOAD = Payload("m", (Tensor("sequence", "INT32", np.array([[7]], np.int32)),))


def _answer_all(sequences: Sequences, count: int) -> list[Step]:
    """The steps of so many requests, sent one at a time."""
    steps = []
    for index in range(count):
        steps.append(sequences.take(index, 0.0))
        sequences.answered(index, 0.0)
    return steps


def test_a_sequence_sends_its_stream_in_order_and_the_next_one_takes_the_next_stream():
    steps = _answer_all(Sequences(SequencePlan(_STREAMS)), 5)
    assert [step.request for step in steps] == [0, 1, 2, 3, 0]
    assert [step.start for step in steps] == [True, False, False, True, True]
    assert [step.end for step in steps] == [False, False, True, True, False]
    assert len({step.id for step in steps}) == 3


def test_a_sequence_has_one_request_outstanding_at_a_time():
    sequences = Sequences(SequencePlan(_STREAMS))
    assert len({sequences.take(index, 0.0).id for index in range(10)}) == 10


def test_most_sequences_at_a_time():
    sequences = Sequences(SequencePlan(_STREAMS, most=2))
    assert [sequences.take(index, 0.0) is None for index in range(3)] == [False, False, True]
    sequences.answered(0, 0.0)
    assert sequences.take(2, 0.0).request == 1


def test_lengths_vary_by_a_fifth_as_those_of_perf_analyzer():
    steps = _answer_all(Sequences(SequencePlan(((0, 1, 2),), length=20)), 20_000)
    begins = [index for index, step in enumerate(steps) if step.start]
    lengths = np.diff(begins)
    assert (lengths.min(), lengths.max()) == (17, 23)  # the offset is rounded towards 0
    assert lengths.mean() == pytest.approx(20, abs=0.3)
    assert [step.request for step in steps[:4]] == [0, 1, 2, 0]


def test_generators_and_windows_share_no_id():
    plan = SequencePlan(_STREAMS)
    seen = set()
    for _ in range(3):
        sequences = Sequences(plan.on_own_lane())
        for _ in range(2):
            sequences.begin_window()
            ids = {sequences.take(index, 0.0).id for index in range(100)}
            assert len(ids) == 100
            assert not ids & seen
            assert all(0 < each < 1 << 31 for each in ids)  # of every type that the CORRID control may have
            seen |= ids


def test_a_failure_or_a_long_rest_begins_the_sequence_anew():
    sequences = Sequences(SequencePlan(_STREAMS, idle_s=1.0))
    first = sequences.take(0, 0.0)
    sequences.answered(0, 0.0)
    assert sequences.take(1, 0.5) == Step(1, first.id, start=False, end=False)
    sequences.failed(1, 0.6)
    assert sequences.take(2, 0.7) == first
    sequences.answered(2, 0.7)
    assert sequences.take(3, 2.0) == first


def test_unfinished_sequences_are_ended_once():
    sequences = Sequences(SequencePlan(_STREAMS))
    waiting, outstanding, last, _ = (sequences.take(index, 0.0) for index in range(4))
    assert last.request == 0
    assert outstanding.end  # the stream of one request
    sequences.answered(0, 0.0)
    sequences.put_back(3)
    assert sequences.ending() == (-2, Step(1, waiting.id, start=False, end=True))
    assert sequences.ending() is None
    sequences.end_outstanding()
    assert sequences.ending() == (-3, Step(1, last.id, start=False, end=True))
    sequences.put_back(-3)
    assert sequences.ending() == (-3, Step(1, last.id, start=False, end=True))
    sequences.answered(1, 0.0)
    sequences.failed(2, 0.0)
    sequences.end_outstanding()
    assert sequences.ending() is None
    assert sequences.ended == 2


@pytest.mark.parametrize("text", [False, True])
def test_http_requests_of_a_sequence_differ_in_their_parameters_only(text):
    built = build_http_request(_PAYLOAD, "localhost", 8000, text_ids=text)
    stamps = Stamps([built], text_ids=text)
    requests = [
        stamps.request(Step(0, number, start, not start)) for number in (1 << 30, 7 + (1 << 30)) for start in (0, 1)
    ]
    assert {len(request) for request in requests} == {len(built)}
    head, _, body = requests[-1].partition(b"\r\n\r\n")
    size = int(head.split(b"Inference-Header-Content-Length: ")[1].split()[0])
    parameters = json.loads(body[:size])["parameters"]
    number = 7 + (1 << 30)
    assert parameters.pop("sequence_id") == (f"{number:0>128}" if text else number)
    assert parameters == {"binary_data_output": True, "sequence_start": True, "sequence_end": False}
    assert body[size:] == b"\x07\0\0\0"


@pytest.mark.parametrize("text", [False, True])
def test_grpc_requests_of_a_sequence_differ_in_their_parameters_only(text):
    from tritonclient.grpc import service_pb2

    plain = build_grpc_request(_PAYLOAD)
    step = Step(0, 5 + (1 << 30), start=False, end=True)
    request = service_pb2.ModelInferRequest.FromString(plain + sequence_parameters(step, text=text))
    parameters = request.parameters
    assert parameters["sequence_start"].bool_param is False
    assert parameters["sequence_start"].HasField("bool_param")
    assert parameters["sequence_end"].bool_param is True
    wanted = ("string_param", step.text_id) if text else ("int64_param", step.id)
    assert parameters["sequence_id"].WhichOneof("parameter_choice") == wanted[0]
    assert getattr(parameters["sequence_id"], wanted[0]) == wanted[1]
    parameters.clear()
    assert request.SerializeToString() == plain


def test_the_plan_follows_config_and_traffic():
    control = {"kind": "CONTROL_SEQUENCE_CORRID", "data_type": "TYPE_STRING"}
    batcher = {"max_sequence_idle_microseconds": "3000000", "control_input": [{"name": "C", "control": [control]}]}
    streams = ((_PAYLOAD, _PAYLOAD), (_PAYLOAD,))
    assert sequence_plan([{"dynamic_batching": {}}], streams, Traffic()) is None
    plan = sequence_plan([{}, {"sequence_batching": batcher}], streams, Traffic(sequences=5))
    assert (plan.streams, plan.text_ids, plan.idle_s, plan.most, plan.length) == (((0, 1), (2,)), True, 3.0, 5, 20)
    recorded = Traffic(input_data="streams.json")
    assert sequence_plan([{"sequence_batching": {}}], streams, recorded).length is None
    assert [plan.share(index, 2) for index in range(2)] == [3, 2]
