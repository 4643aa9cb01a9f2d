import base64
import json
import os

import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load import Traffic, parse_shape
from autotune.load.payload._json_tensor import parse_tensor
from autotune.load.payload._sources import read_streams


def _metadata(*inputs):
    return {"inputs": [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in inputs]}


_BATCHING = {"max_batch_size": 8}
_PLAIN = {"max_batch_size": 0}
_PAIR = _metadata(("x", "FP32", [-1, 2]), ("ids", "INT64", [-1, 1]))
_TEXT = _metadata(("tokens", "INT32", [-1, -1]))
_IMAGE = _metadata(("image", "UINT8", [-1, -1, -1]))


@pytest.fixture
def read(tmp_path):
    def read(document, metadata, config=_BATCHING, batch_size=1, shapes=()):
        path = tmp_path / "requests.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        given = dict(parse_shape(text) for text in shapes)
        streams = read_streams([path], "m", metadata, config, batch_size=batch_size, shapes=given)
        return tuple(payload for stream in streams for payload in stream)

    return read


def _data(*entries):
    return {"data": list(entries)}


def _values(payloads, name="x"):
    return [tensor.data.tolist() for payload in payloads for tensor in payload.inputs if tensor.name == name]


def _b64(*arrays):
    return {"b64": base64.b64encode(b"".join(array.tobytes() for array in arrays)).decode()}


def test_each_entry_is_a_request_in_the_files_order(read):
    payloads = read(_data({"x": [1, 2.5], "ids": [7]}, {"ids": [8], "x": [3, 4]}), _PAIR)
    assert [[(t.name, t.datatype) for t in payload.inputs] for payload in payloads] == [
        [("x", "FP32"), ("ids", "INT64")]
    ] * 2
    assert _values(payloads) == [[[1.0, 2.5]], [[3.0, 4.0]]]
    assert _values(payloads, "ids") == [[[7]], [[8]]]
    assert payloads[0].inputs[0].data.dtype == np.float32
    assert [(payload.model, payload.batch_size) for payload in payloads] == [("m", 1)] * 2


def test_same_file_fits_configs_with_and_without_batching(read):
    for entry in ({"x": [1, 2], "ids": [7]}, {"x": [[1, 2]], "ids": {"content": [7], "shape": [1]}}):
        for config in (_BATCHING, _PLAIN):
            (payload,) = read(_data(entry), _PAIR, config)
            assert [tensor.data.shape for tensor in payload.inputs] == [(1, 2), (1, 1)]


def test_nested_values_are_row_major(read):
    (flat,) = read(_data({"x": [1, 2, 3, 4, 5, 6]}), _metadata(("x", "INT8", [2, 3])), _PLAIN)
    (nested,) = read(_data({"x": [[1, 2, 3], [4, 5, 6]]}), _metadata(("x", "INT8", [2, 3])), _PLAIN)
    assert flat.inputs[0].data.tolist() == nested.inputs[0].data.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_shape_in_the_file_goes_before_the_option(read):
    entries = _data({"image": {"content": [1] * 6, "shape": [3, 2]}}, {"image": {"content": [1] * 4}})
    payloads = read(entries, _IMAGE, shapes=["image:2,2"])
    assert [payload.inputs[0].data.shape for payload in payloads] == [(1, 3, 2), (1, 2, 2)]


def test_one_dynamic_dimension_follows_from_the_number_of_values(read):
    payloads = read(_data({"tokens": [5, 6, 7]}, {"tokens": [8]}), _TEXT)
    assert [payload.inputs[0].data.tolist() for payload in payloads] == [[[5, 6, 7]], [[8]]]


def test_optional_input_may_be_left_out(read):
    config = _BATCHING | {"input": [{"name": "x"}, {"name": "ids", "optional": True}]}
    payloads = read(_data({"x": [1, 2]}, {"x": [1, 2], "ids": [1]}), _PAIR, config)
    assert [[tensor.name for tensor in payload.inputs] for payload in payloads] == [["x"], ["x", "ids"]]


def test_steps_of_streams_are_requests_one_stream_after_the_other(read):
    step = {"ids": [1]}
    payloads = read(_data([{"x": [1, 1]} | step, {"x": [2, 2]} | step], [{"x": [3, 3]} | step]), _PAIR)
    assert _values(payloads) == [[[1, 1]], [[2, 2]], [[3, 3]]]


def test_streams_are_kept_as_streams(tmp_path):
    path = tmp_path / "streams.json"
    step = {"ids": [1]}
    path.write_text(json.dumps(_data([{"x": [number, 0]} | step for number in range(3)], [{"x": [9, 9]} | step])))
    streams = read_streams([path, path], "m", _PAIR, _BATCHING, batch_size=2, shapes={})
    long, short = [[[0, 0], [1, 0]], [[2, 0], [0, 0]]], [[[9, 9], [9, 9]]]
    assert [_values(stream) for stream in streams] == [long, short, long, short]


def test_entries_of_several_files_are_one_stream(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(_data({"tokens": [1]}, {"tokens": [2]})))
    second.write_text(json.dumps(_data({"tokens": [3]})))
    (stream,) = read_streams([second, first], "m", _TEXT, _BATCHING, shapes={})
    assert _values(stream, "tokens") == [[[3]], [[1]], [[2]]]
    second.write_text(json.dumps(_data([{"tokens": [3]}])))
    with pytest.raises(UsageError, match=r"^--input-data: some files hold entries and others streams"):
        read_streams([second, first], "m", _TEXT, _BATCHING, shapes={})


# perf_analyzer 2.50 parses with RapidJSON's kParseNanAndInfFlag, which takes Inf and Infinity, each with a sign
@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "BF16"])
def test_numbers_that_are_none_are_read_as_perf_analyzer_reads_them(read, datatype):
    floats = _metadata(("x", datatype, [-1, 6]))
    (payload,) = read('{"data": [{"x": [NaN, -NaN, Inf, -Inf, Infinity, -Infinity]}]}', floats)
    values = payload.inputs[0].data[0]
    if datatype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.inf, -np.inf, np.inf, -np.inf])


def test_words_within_strings_are_not_numbers(read):
    strings = _metadata(("x", "BYTES", [-1, 2]), ("y", "FP32", [-1, 1]))
    (payload,) = read(r'{"data": [{"x": ["Inf", "a \" -Inf"], "y": [-Inf]}]}', strings)
    assert payload.inputs[0].data.tolist() == [[b"Inf", b'a " -Inf']]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"data": [\n{"x": [Inf, -NaN, Inf], "ids": [1 2]}]}', "line 2, column 35: not JSON: Expecting ','"),
        ('{"data": [\n{"ids": [1 2], "x": [Inf]}]}', "line 2, column 12: not JSON: Expecting ','"),
        ('{"data": [{"x": [inf]}]}', "line 1, column 18: not JSON: Expecting value"),
    ],
)
def test_fault_beside_such_numbers_is_found_where_it_stands(read, text, place):
    with pytest.raises(UsageError, match=f"requests.json: {place}"):
        read(text, _PAIR)


def test_integers_are_no_infinity(read):
    with pytest.raises(UsageError, match=r"entry 1: input 'ids': value 1 is inf; INT64 takes integers"):
        read('{"data": [{"x": [1, 2], "ids": [Infinity]}]}', _PAIR)


def test_model_beside_the_inputs_is_passed_over_unless_it_is_one(read):
    (payload,) = read(_data({"model": "other", "x": [1, 2], "ids": [1]}), _PAIR)
    assert [tensor.name for tensor in payload.inputs] == ["x", "ids"]
    (payload,) = read(_data({"model": [7]}), _metadata(("model", "INT32", [-1, 1])))
    assert payload.inputs[0].data.tolist() == [[7]]


def test_tensors_may_have_no_elements(read):
    boxes = _metadata(("boxes", "FP32", [-1, -1, 4]))
    entries = ({"content": [], "shape": [0, 4]}, {"b64": "", "shape": [0, 4]})
    for entry in entries:
        (payload,) = read(_data({"boxes": entry}), boxes)
        assert payload.inputs[0].data.shape == (1, 0, 4)
    (payload,) = read(_data({"boxes": []}), boxes, shapes=["boxes:0,4"])
    assert payload.inputs[0].data.shape == (1, 0, 4)
    nested = _metadata(("x", "INT32", [-1, -1, -1]))
    (payload,) = read(_data({"x": [[], []]}), nested)
    assert payload.inputs[0].data.shape == (1, 2, 0)


def test_batches_hold_consecutive_entries_and_the_last_is_filled_up(read):
    entries = _data(*({"tokens": [number]} for number in range(1, 6)))
    payloads = read(entries, _TEXT, batch_size=2)
    assert [payload.inputs[0].data.tolist() for payload in payloads] == [[[1], [2]], [[3], [4]], [[5], [1]]]
    assert {payload.batch_size for payload in payloads} == {2}
    (cycled,) = read(_data({"tokens": [1]}, {"tokens": [2]}), _TEXT, batch_size=5)
    assert cycled.inputs[0].data.ravel().tolist() == [1, 2, 1, 2, 1]


def test_changed_file_is_read_again(read, tmp_path):
    first = read(_data({"tokens": [1]}), _TEXT)
    second = read(_data({"tokens": [22]}), _TEXT)
    assert (_values(first, "tokens"), _values(second, "tokens")) == ([[[1]]], [[[22]]])


@pytest.mark.parametrize(
    ("datatype", "written", "expected"),
    [
        ("BOOL", [True, False, 1, 0], np.array([True, False, True, False])),
        ("INT8", [-128, 127], np.array([-128, 127], np.int8)),
        ("UINT8", [0, 255], np.array([0, 255], np.uint8)),
        ("INT64", [-(2**63), 2**63 - 1], np.array([-(2**63), 2**63 - 1], np.int64)),
        ("UINT64", [0, 2**64 - 1], np.array([0, 2**64 - 1], np.uint64)),
        ("FP16", [65504, -0.5], np.array([65504, -0.5], np.float16)),
        ("FP32", [1, 0.1], np.array([1, 0.1], np.float32)),
        ("FP64", [1e308, -1e-300], np.array([1e308, -1e-300])),
        ("BF16", [1.0, -2.0, 3.140625], np.array([0x3F80, 0xC000, 0x4049], np.uint16)),
        # Halfway between two: to the even one.
        ("BF16", [1.00390625, 1.01171875], np.array([0x3F80, 0x3F82], np.uint16)),
        ("BYTES", ["", "naïve"], np.array([b"", "naïve".encode()], object)),
    ],
)
def test_values_become_the_datatypes(datatype, written, expected):
    tensor = parse_tensor(written, datatype)
    np.testing.assert_array_equal(tensor.values, expected, strict=True)
    assert tensor.shape is None


def test_base64_is_little_endian_raw_bytes():
    values = np.array([[1.5, -2], [3, 4]], "<f4")
    shaped = ({"content": _b64(values), "shape": [2, 2]}, _b64(values) | {"shape": [2, 2]})
    for written, shape in ((_b64(values), None), *((each, (2, 2)) for each in shaped)):
        tensor = parse_tensor(written, "FP32")
        assert (tensor.values.tolist(), tensor.shape) == ([1.5, -2, 3, 4], shape)


def test_base64_may_have_line_breaks_and_no_padding():
    wrapped = base64.encodebytes(bytes(range(100))).decode().rstrip("=\n")
    assert parse_tensor({"b64": wrapped}, "UINT8").values.tolist() == list(range(100))


def test_base64_strings_contain_their_lengths():
    raw = np.frombuffer(b"\x03\x00\x00\x00cat\x00\x00\x00\x00", np.uint8)
    assert parse_tensor(_b64(raw), "BYTES").values.tolist() == [b"cat", b""]


@pytest.mark.parametrize(
    ("datatype", "written", "message"),
    [
        ("INT8", [1, 128], "value 2 is 128; INT8 takes -128 to 127"),
        ("UINT16", [[0], [-1]], "value 2 is -1; UINT16 takes 0 to 65535"),
        ("UINT64", [2**64], "value 1 is 18446744073709551616; UINT64 takes 0 to"),
        ("INT32", [1, 2.5], "value 2 is 2.5; INT32 takes integers"),
        ("INT32", [1, True], "value 2 is True; INT32 takes integers"),
        ("INT32", ["1"], "value 1 is '1'; INT32 takes integers"),
        ("FP32", [0.5, "1"], "value 2 is '1'; FP32 takes numbers"),
        ("FP32", [None], "value 1 is None; FP32 takes numbers"),
        ("FP32", [False], "value 1 is False; FP32 takes numbers"),
        ("FP32", [1, 1e39], "value 2 is 1e[+]39, which FP32 cannot hold"),
        ("FP16", [65520], "value 1 is 65520, which FP16 cannot hold"),
        ("BF16", [3.4e38], "value 1 is 3.4e[+]38, which BF16 cannot hold"),
        ("FP64", [1, 10**400], "value 2 is an integer of over 40 digits, which FP64 cannot hold"),
        ("INT32", [float("nan")], "value 1 is nan; INT32 takes integers"),
        ("BOOL", [2], "value 1 is 2; BOOL takes 0 to 1"),
        ("BOOL", [0.0], "value 1 is 0.0; BOOL takes true and false"),
        ("BYTES", ["a", 5], "value 2 is 5; BYTES takes strings"),
        ("FP32", 5, r"5 is no tensor; write \[\.\.\.\]"),
        ("FP32", {"contents": [1]}, "'contents' is no key of a tensor"),
        ("FP32", {"content": [1], "shpe": [1]}, "'shpe' is no key of a tensor"),
        ("FP32", {"content": [1], "b64": "AAAAAA=="}, "has both content and b64"),
        ("FP32", {"shape": [1]}, "an object is no tensor"),
        ("FP32", "A" * 50_000_000, "^'A{40}'[.]{3} is no tensor"),
        ("FP32", {"content": [1], "shape": [1.5]}, r"shape \[1.5\] is not a list of sizes"),
        ("FP32", {"content": [], "shape": [-1]}, r"shape \[-1\] is not a list of sizes of 0 or more"),
        ("FP32", {"content": [1], "shape": 1}, "shape 1 is not a list of sizes"),
        ("FP32", [[1, 2], [3]], "lists differ in length"),
        ("FP32", [[1], 2], "lists differ in length"),
        ("FP32", {"b64": "AAAAAAA="}, "b64 holds 5 bytes, no whole number of FP32"),
        ("FP32", {"b64": "§"}, "b64 '§' is not base64"),
        ("FP32", {"b64": [1]}, r"b64 \[1\] is not base64"),
        ("BYTES", {"b64": "AwAAAGNh"}, "b64 ends within an element"),
        ("BYTES", {"b64": "AwA="}, "b64 ends within an element"),
    ],
)
def test_value_that_the_datatype_cannot_hold_is_refused(datatype, written, message):
    with pytest.raises(ValueError, match=f"^.*{message}"):
        parse_tensor(written, datatype)


_GOOD = {"x": [1, 2], "ids": [1]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_data(_GOOD, {"x": [1, 2]}), "entry 2: input 'ids' is missing; every entry needs all inputs"),
        (_data(_GOOD, _GOOD | {"y": [1]}), "entry 2: the model has no input 'y'; its inputs are x, ids"),
        (_data(_GOOD | {"x": [1, "2"]}), "entry 1: input 'x': value 2 is '2'; FP32 takes numbers"),
        (_data(_GOOD | {"x": [1, 2, 3]}), "entry 1: input 'x': has 3 values, which do not fill the shape [2]"),
        (_data(_GOOD | {"x": []}), "entry 1: input 'x': has 0 values, which do not fill the shape [2]"),
        (
            _data(_GOOD | {"x": {"content": [1, 2], "shape": [1, 1, 2]}}),
            "entry 1: input 'x': has the shape [1,1,2], the model takes [2]",
        ),
        (
            _data(_GOOD | {"x": {"content": [1, 2, 3], "shape": [2]}}),
            "entry 1: input 'x': has 3 values, which do not fill the shape [2]",
        ),
        (_data([_GOOD], [_GOOD, {"x": [1, 2]}]), "stream 2, entry 2: input 'ids' is missing; every entry needs all"),
        (_data(_GOOD, 5), "entry 2 is not an object of inputs; write"),
        (_data(), '"data" holds no entry; write'),
        (_data(_GOOD, [_GOOD]), '"data" mixes entries and lists of entries (streams); write one kind'),
        (_data([_GOOD], []), '"data" holds no entry in one of its streams; write'),
        ({"date": []}, 'has no list named "data"; write'),
        ([_GOOD], 'has no list named "data"; write'),
        ('{"data": [\n{"x": [1 2]}]}', "line 2, column 10: not JSON: Expecting ',' delimiter; write"),
        ("", "line 1, column 1: not JSON"),
        (
            _data(_GOOD | {"z" * 50_000_000: [1]}),
            f"entry 1: the model has no input '{'z' * 40}'...; its inputs are x, ids",
        ),
        (
            f'{{"data": [{{"x": {"[" * 500}1{"]" * 500}, "ids": [1]}}]}}',
            "entry 1: input 'x': has the shape [1,1,1,1,1,1,1,1,...] of 500 dimensions, the model takes [2]",
        ),
        ("[" * 100_000, "not JSON: "),
    ],
)
def test_file_that_does_not_fit_the_model_is_refused_by_entry_and_input(read, document, message):
    with pytest.raises(UsageError) as refused:
        read(document, _PAIR)
    told = str(refused.value)
    assert told.startswith("--input-data: ")
    assert "\n" not in told
    assert f"requests.json: {message}" in told


@pytest.mark.parametrize(
    ("entries", "metadata", "options", "message"),
    [
        (
            [{"image": [1, 2]}],
            _IMAGE,
            {},
            "entry 1: input 'image': its shape [-1,-1] has several dynamic dimensions; write {\"content\"",
        ),
        ([{"image": [1, 2]}], _IMAGE, {"shapes": ["image:2,2"]}, "has 2 values, which do not fill the shape [2,2]"),
        ([{"tokens": []}], _TEXT, {}, "has 0 values, which do not fill the shape [-1]"),
        (
            [{"y": [1, 2, 3]}],
            _metadata(("y", "FP32", [-1, 2])),
            {"config": _PLAIN},
            "which do not fill the shape [1,2]",
        ),
        (
            [{"tokens": [1]}, {"tokens": [1, 2]}],
            _TEXT,
            {"batch_size": 2},
            "entry 2: input 'tokens' has the shape [2], ",
        ),
        (
            [{"x": [1, 2]}, {"x": [1, 2], "ids": [1]}],
            _PAIR,
            {"batch_size": 2, "config": _BATCHING | {"input": [{"name": "ids", "optional": True}]}},
            "entry 2: has other inputs than ",
        ),
    ],
)
def test_shapes_that_cannot_be_sent_are_refused(read, entries, metadata, options, message):
    with pytest.raises(UsageError) as refused:
        read(_data(*entries), metadata, **options)
    assert message in str(refused.value)


def test_options_that_do_not_fit_the_model_are_refused_by_name(read):
    with pytest.raises(UsageError, match=r"^--batch-size: 9 is over"):
        read(_data(_GOOD), _PAIR, batch_size=9)
    with pytest.raises(UsageError, match=r"^--shape: model 'm' has no input 'y'"):
        read(_data(_GOOD), _PAIR, shapes=["y:1"])
    with pytest.raises(UsageError, match=r"^--shape: tokens:2,2 contradicts the model"):
        read(_data({"tokens": [1]}), _TEXT, shapes=["tokens:2,2"])


def test_file_that_cannot_be_read_is_refused(tmp_path):
    missing = tmp_path / "none.json"
    with pytest.raises(
        UsageError, match=rf"^--input-data: cannot read {missing}: No such file.*; use random, zero, or"
    ):
        read_streams([missing], "m", _PAIR, _BATCHING, shapes={})


def test_file_is_parsed_once_for_all_candidates(tmp_path, monkeypatch):
    path = tmp_path / "once.json"
    path.write_text(json.dumps(_data(_GOOD)))
    parsed = []
    loads = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(text) or loads(text))
    for config in (_BATCHING, _PLAIN, _BATCHING):
        read_streams([path], "m", _PAIR, config, shapes={})
    assert len(parsed) == 1
    os.utime(path, (1, 1))
    read_streams([path], "m", _PAIR, _BATCHING, shapes={})
    assert len(parsed) == 2


def test_requests_of_another_content_are_other_conditions(tmp_path):
    path = tmp_path / "requests.json"
    path.write_text(json.dumps(_data({"x": [1, 2]})))
    before = Traffic(input_data=str(path)).conditions()
    assert Traffic(input_data=str(path)).conditions() == before
    path.write_text(json.dumps(_data({"x": [1, 3]})))
    assert Traffic(input_data=str(path)).conditions() != before


@pytest.mark.parametrize("data", ["random", "zero"])
def test_conditions_of_generated_data_name_its_kind(data):
    assert f"{data} data" in Traffic(input_data=data).conditions()
