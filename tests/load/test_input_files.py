"""Input data from directories, NumPy arrays and images."""

import builtins
import io
import os

import numpy as np
import pytest
from PIL import Image

from autotune.errors import UsageError
from autotune.load import Traffic, parse_shape
from autotune.load.payload import check_paths, make_payloads


def _metadata(*inputs):
    return {
        "inputs": [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in inputs],
        "outputs": [{"name": "loud"}],
    }


_BATCHING = {"max_batch_size": 8}
_PLAIN = {"max_batch_size": 0}
_SPEECH = _metadata(("wave", "FP32", [-1, 3]), ("lang", "BYTES", [-1, 2]))
_VECTOR = _metadata(("x", "FP32", [-1, 4]))
_WAVE = np.array([0.5, -1, 2], "<f4")


def _read(paths, metadata, config=_BATCHING, **traffic):
    paths = paths if isinstance(paths, list) else [paths]
    payloads = make_payloads("m", metadata, config, Traffic(input_data=list(map(str, paths)), **traffic))
    return [{tensor.name: tensor.data for tensor in payload.inputs} for payload in payloads]


@pytest.fixture
def speech(tmp_path):
    directory = tmp_path / "inputs"
    directory.mkdir()
    (directory / "wave").write_bytes(_WAVE.tobytes())
    (directory / "lang").write_bytes(b"en\nde\r\n")
    return directory


def test_directory_holds_raw_bytes_and_a_line_for_each_string(speech):
    # perf_analyzer's ReadTextFile (std::getline) keeps a carriage return and ignores the last line break
    (request,) = _read(speech, _SPEECH)
    np.testing.assert_array_equal(request["wave"], [_WAVE])
    assert request["lang"].tolist() == [[b"en", b"de\r"]]


def test_directories_are_entries_beside_other_files(speech):
    assert len(_read([speech, speech], _SPEECH)) == 2
    (both,) = _read([speech, speech], _SPEECH, batch_size=2)
    assert both["wave"].shape == (2, 3)


def test_validation_data_and_hidden_files_are_passed_over(speech):
    (speech / "loud").write_bytes(b"1234")
    (speech / ".DS_Store").write_bytes(b"x")
    assert len(_read(speech, _SPEECH)) == 1


def test_arrays_and_images_stand_in_a_directory_too(tmp_path):
    np.save(tmp_path / "wave.npy", _WAVE)
    (tmp_path / "lang").write_text("en\nde")
    (request,) = _read(tmp_path, _SPEECH)
    assert request["wave"].tolist() == [[0.5, -1, 2]]


def test_raw_bytes_without_elements_need_a_shape(tmp_path):
    (tmp_path / "boxes").write_bytes(b"")
    boxes = _metadata(("boxes", "FP32", [-1, -1, 4]))
    (request,) = _read(tmp_path, boxes, shapes=dict([parse_shape("boxes:0,4")]))
    assert request["boxes"].shape == (1, 0, 4)
    with pytest.raises(UsageError, match=r"inputs?.*: input 'boxes': has 0 values"):
        _read(tmp_path, boxes)


def _spoil(directory, name, content):
    (directory / name).write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda at: _spoil(at, "wave", b"12345"),
            "inputs/wave: input 'wave': the file holds 5 bytes, no whole number of",
        ),
        (
            lambda at: _spoil(at, "wave", b"1234" * 4),
            "inputs: input 'wave': has 4 values (file 'wave', 16 bytes), which do not fill the shape [3]",
        ),
        (
            lambda at: _spoil(at, "wave", b"1234" * 12_500_000),
            "inputs: input 'wave': has 12500000 values (file 'wave', 50000000 bytes), which do not",
        ),
        (
            lambda at: _spoil(at, "lang", b"en"),
            "inputs: input 'lang': has 1 values (file 'lang', 2 bytes), which do not fill the shape [2]",
        ),
        (
            lambda at: _spoil(at, "notes.md", b""),
            "inputs: file 'notes.md' is named after no input of the model; its in",
        ),
        (lambda at: _spoil(at, "wave.npy", b""), "inputs: input 'wave' has two files; keep one"),
        (lambda at: _spoil(at, "\n" * 90, b""), "inputs: file '" + r"\n" * 40 + "'... is named after no input"),
        (lambda at: (at / "wave").unlink(), "inputs: input 'wave' is missing; every entry needs all inputs"),
        (lambda at: (at / "more").mkdir(), "inputs/more: is a directory in a directory of input data"),
        (
            lambda at: os.mkfifo(at / "pipe"),
            "inputs/pipe: is neither a file nor a directory; write its content to a file",
        ),
        (
            lambda at: [each.unlink() for each in at.iterdir()],
            "inputs: holds no file; put one file for each input into it",
        ),
    ],
    ids=["half", "count", "large", "lines", "unknown", "twice", "name", "missing", "nested", "FIFO", "empty"],
)
def test_directory_that_does_not_fit_the_model_is_refused(speech, spoil, words):
    spoil(speech)
    with pytest.raises(UsageError) as refused:
        _read(speech, _SPEECH)
    message = str(refused.value)
    assert message.startswith(f"--input-data: {speech.parent}/{words}")
    assert "\n" not in message
    assert len(message) < 400


def test_pipe_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"^--input-data: .*pipe: is neither a file nor a directory; write its"):
        check_paths([tmp_path / "pipe"])
    with pytest.raises(UsageError, match=r"^--input-data: cannot read .*none: No such file"):
        check_paths([tmp_path / "none"])


def test_an_array_is_an_entry_and_one_of_another_dimension_several(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(4, dtype=">f4"))
    assert [request["x"].tolist() for request in _read(path, _VECTOR)] == [[[0, 1, 2, 3]]]
    np.save(path, np.arange(8, dtype=np.float32).reshape(2, 4))
    assert [request["x"].tolist() for request in _read(path, _VECTOR)] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]
    # what the config does not batch is one request
    assert [request["x"].shape for request in _read(path, _VECTOR, _PLAIN)] == [(2, 4)]


def test_an_archive_has_an_array_for_each_input(tmp_path):
    path = tmp_path / "requests.npz"
    np.savez(path, wave=np.stack([_WAVE, _WAVE]), lang=np.array([["en", "de"], [b"fr", "ñ"]]))
    first, second = _read(path, _SPEECH)
    assert (first["lang"].tolist(), second["lang"].tolist()) == ([[b"en", b"de"]], [[b"fr", "ñ".encode()]])


def test_half_precision_floats_are_the_upper_halves_of_floats(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([0x3F80], np.uint16))
    (request,) = _read(path, _metadata(("x", "BF16", [-1, 1])))
    assert request["x"].tolist() == [[0x3F80]]


@pytest.mark.parametrize(
    ("name", "arrays", "metadata", "words"),
    [
        (
            "x.npy",
            np.zeros(4),
            _VECTOR,
            ": input 'x': is an array of float64, the model takes FP32; save array.astype('",
        ),
        ("x.npy", np.zeros(4, "U1"), _VECTOR, ": input 'x': is an array of str32, the model takes FP32"),
        ("x.npy", np.zeros(5, "f4"), _VECTOR, ": input 'x': has the shape [5], the model takes [4]"),
        ("x.npy", np.zeros((0, 4), "f4"), _VECTOR, ": its arrays have no row; every row is an entry"),
        ("x.npy", np.array([{}]), _VECTOR, ": cannot be read as .npy: Object arrays cannot be loaded"),
        ("x.npy", _WAVE, _SPEECH, ": holds one tensor, the model has the inputs wave, lang; put a file for each"),
        ("x.npz", {"y": _WAVE}, _VECTOR, ": the model has no input 'y'; its inputs are x"),
        ("x.npz", {"wave": _WAVE}, _SPEECH, ": input 'lang' is missing; every entry needs all inputs"),
        (
            "x.npz",
            {"wave": np.zeros((2, 3), "f4"), "lang": np.zeros((3, 2), "U1")},
            _SPEECH,
            ": its arrays differ in the",
        ),
        (
            "x.npz",
            {"wave": np.zeros((2, 3), "f4"), "lang": np.zeros((2, 3), "U1")},
            _SPEECH,
            ": row 1: input 'lang': has ",
        ),
        ("x.npz", {}, _VECTOR, ": holds no array; save one for each input"),
        ("x.npy", None, _VECTOR, ": cannot be read as .npy: "),
        ("x.npz", None, _VECTOR, ": cannot be read as .npz: "),
    ],
)
def test_arrays_that_do_not_fit_the_model_are_refused(tmp_path, name, arrays, metadata, words):
    path = tmp_path / name
    if arrays is None:
        path.write_bytes(b"PK\x03\x04 or something else")
    elif name.endswith(".npz"):
        np.savez(path, **arrays)
    else:
        np.save(path, arrays)
    with pytest.raises(UsageError) as refused:
        _read(path, metadata)
    assert str(refused.value).startswith(f"--input-data: {path}{words}")
    assert "\n" not in str(refused.value)


@pytest.fixture
def photo(tmp_path):
    """Four by two pixels, the left half red and the right one blue."""
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[:, :2, 0] = pixels[:, 2:, 2] = 255
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("datatype", "dims", "shape"),
    [
        ("FP32", [-1, 3, -1, -1], (1, 3, 2, 4)),
        ("UINT8", [-1, -1, -1, 3], (1, 2, 4, 3)),
        ("FP32", [-1, 3, 6, 8], (1, 3, 6, 8)),
        ("FP16", [-1, 1, 2, 2], (1, 1, 2, 2)),
        ("UINT8", [-1, -1, -1, -1], (1, 2, 4, 3)),
        ("INT32", [-1, 2, 4], (1, 2, 4)),
        ("UINT8", [-1, 4, -1, -1], (1, 4, 2, 4)),
        ("BF16", [-1, 3, 2, 4], (1, 3, 2, 4)),
    ],
)
def test_an_image_has_the_models_layout_and_size(photo, datatype, dims, shape):
    (request,) = _read(photo, _metadata(("image", datatype, dims)))
    assert request["image"].shape == shape


def test_pixels_are_numbers_from_0_to_255(photo):
    (first,) = _read(photo, _metadata(("image", "FP32", [-1, 3, 2, 4])))
    assert first["image"][0, :, 0].tolist() == [[255, 255, 0, 0], [0] * 4, [0, 0, 255, 255]]
    (last,) = _read(photo, _metadata(("image", "FP32", [1, 2, 4, 3])), _PLAIN)
    np.testing.assert_array_equal(last["image"], first["image"].transpose(0, 2, 3, 1))


def test_a_shape_gives_the_size_of_an_image(photo):
    metadata = _metadata(("image", "UINT8", [-1, -1, -1, -1]))
    (request,) = _read(photo, metadata, shapes={"image": (3, 8, 6)})
    assert request["image"].shape == (1, 3, 8, 6)


@pytest.mark.parametrize(("datatype", "dims"), [("UINT8", [-1, -1]), ("BYTES", [-1, 1])])
def test_a_model_that_decodes_images_gets_the_file(photo, datatype, dims):
    (request,) = _read(photo, _metadata(("encoded", datatype, dims)))
    data = request["encoded"]
    assert (data.tobytes() if datatype == "UINT8" else data[0, 0]) == photo.read_bytes()


def test_a_directory_of_images_is_an_entry_for_each(photo, tmp_path):
    Image.open(photo).save(tmp_path / "another.jpg")
    assert len(_read(tmp_path, _metadata(("image", "FP32", [-1, 3, 2, 4])))) == 2


@pytest.mark.parametrize(
    ("datatype", "dims", "words"),
    [
        ("FP32", [-1, 5], "is an image, the model takes [5], which is no height and width with 1, 3 or 4 channels"),
        ("FP32", [-1, 2, 4, 5], "is an image, the model takes [2,4,5], which is no height and width"),
        ("INT8", [-1, 3, 2, 4], "is an image, and INT8 does not hold pixels from 0 to 255; save it as .npy"),
        ("BYTES", [-1, 3, 2, 4], "is an image, and BYTES does not hold pixels"),
    ],
)
def test_an_image_that_the_model_cannot_take_is_refused(photo, datatype, dims, words):
    with pytest.raises(UsageError) as refused:
        _read(photo, _metadata(("image", datatype, dims)))
    assert str(refused.value).startswith(f"--input-data: {photo}: input 'image': {words}")


def test_broken_images_are_refused(photo, tmp_path):
    metadata = _metadata(("image", "FP32", [-1, 3, 2, 4]))
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "jpeg")
    for content in (b"", b"no image", photo.read_bytes()[:60], buffer.getvalue()[:800]):
        path = tmp_path / "broken.jpg"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"broken.jpg: input 'image': Pillow cannot read the image: ") as refused:
            _read(path, metadata)
        assert "\n" not in str(refused.value)


def test_images_without_pillow_name_what_to_install(photo, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"photo.png: input 'image': .* needs Pillow; pip install pillow"):
        _read(photo, _metadata(("image", "FP32", [-1, 3, 2, 4])))


def test_requests_of_another_content_are_other_conditions(speech):
    before = Traffic(input_data=[str(speech)]).conditions()
    assert Traffic(input_data=str(speech)).conditions() == before
    (speech / "lang").write_text("fr\nde\n")
    assert Traffic(input_data=str(speech)).conditions() != before
