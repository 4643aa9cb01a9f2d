from pathlib import Path

import pytest
from tiny_models import write_onnx

from autotune.errors import UsageError
from autotune.repository import ModelRepository, content_digest, file_listing

EXAMPLES = Path(__file__).parents[2] / "model_repository"


def add(repository, name, config=None, version="1"):
    directory = repository / name
    (directory / version).mkdir(parents=True) if version else directory.mkdir(parents=True)
    if config is not None:
        (directory / "config.pbtxt").write_text(config)
    return directory


def fails(action, *expected):
    with pytest.raises(UsageError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for part in expected:
        assert part in message


def test_examples_are_read():
    repository = ModelRepository(EXAMPLES)
    assert {"mnist", "mnist_static", "iris", "accelerator"} <= set(repository.names())
    assert repository.model("mnist").batch_dimension == "dynamic"
    assert repository.model("mnist_static").batch_dimension == "fixed"
    assert repository.model("accelerator").batch_dimension == "dynamic"
    assert repository.model("accelerator").inputs[0].shape == (-1, 16)


def test_a_model_without_config_is_fine(tmp_path):
    add(tmp_path, "plain")
    spec = ModelRepository(tmp_path).only_model()
    assert (spec.name, spec.has_config, spec.config.name) == ("plain", False, "plain")
    assert spec.batch_dimension == "unknown"


def test_versions_are_numbers_without_leading_zero(tmp_path):
    directory = add(tmp_path, "m")
    for name in ("10", "2", "0", "03", "old", ".git"):
        (directory / name).mkdir()
    assert ModelRepository(tmp_path).model("m").versions == (1, 2, 10)


COMPLETE = 'input { name: "x" data_type: TYPE_FP32 dims: [-1, 4] } output { name: "y" data_type: TYPE_FP32 dims: [4] }'


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("max_batch_size: 8", "dynamic"),
        (f"max_batch_size: 0 {COMPLETE}", "fixed"),
        (COMPLETE, "fixed"),
        ("max_batch_size: 0", "unknown"),  # the model may complete it
    ],
)
def test_without_a_readable_model_file_the_config_tells_the_batch_dimension(tmp_path, config, expected):
    add(tmp_path, "m", f'backend: "python" {config}')
    assert ModelRepository(tmp_path).model("m").batch_dimension == expected


def test_tensors_come_from_the_config_if_the_file_is_unreadable(tmp_path):
    add(tmp_path, "m", 'backend: "python" max_batch_size: 2 input [ { name: "s" data_type: TYPE_STRING dims: [3] } ]')
    (tensor,) = ModelRepository(tmp_path).model("m").inputs
    assert (tensor.name, tensor.datatype, tensor.shape) == ("s", "BYTES", (-1, 3))


def test_the_onnx_file_a_config_names_in_the_newest_version_is_read(tmp_path):
    add(tmp_path, "m", 'backend: "onnxruntime" default_model_filename: "net.onnx"')
    (tmp_path / "m" / "2").mkdir()
    (tmp_path / "m" / "1" / "net.onnx").write_bytes(b"broken, but an older version")
    (tmp_path / "m" / "2" / "net.onnx").write_bytes((EXAMPLES / "mnist_static" / "1" / "model.onnx").read_bytes())
    spec = ModelRepository(tmp_path).model("m")
    assert spec.inputs[0].shape == (1, 1, 28, 28)
    assert spec.batch_dimension == "fixed"


def test_a_repository_that_is_missing_or_no_directory_is_named(tmp_path):
    fails(lambda: ModelRepository(tmp_path / "none"), "--model-repository", "does not exist")
    (tmp_path / "file").write_text("")
    fails(lambda: ModelRepository(tmp_path / "file"), "--model-repository", "not a directory")


def test_a_model_directory_is_no_repository():
    fails(lambda: ModelRepository(EXAMPLES / "mnist"), "--model mnist", f"--model-repository {EXAMPLES}")


def test_an_empty_repository_is_named(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "notes.txt").write_text("")
    fails(lambda: ModelRepository(tmp_path).model("x"), "--model-repository", "holds no models")
    fails(lambda: ModelRepository(tmp_path).only_model(), "--model-repository", "holds no models")


@pytest.mark.parametrize("name", ["minst", "../mnist", "", "."])
def test_an_unknown_model_lists_the_known_ones(name):
    fails(lambda: ModelRepository(EXAMPLES).model(name), "--model", "mnist_static", "accelerator")


def test_a_misspelt_model_gets_the_closest():
    fails(lambda: ModelRepository(EXAMPLES).model("minst"), "did you mean 'mnist'?")


def test_several_models_need_a_name():
    fails(ModelRepository(EXAMPLES).only_model, "--model", "accelerator, ")


def test_a_model_without_version_directory_is_named(tmp_path):
    add(tmp_path, "m", 'backend: "python"', version="")
    fails(lambda: ModelRepository(tmp_path).model("m"), "--model", "no version directory", "m/1")


def test_a_config_that_does_not_parse_shows_file_and_line(tmp_path):
    add(tmp_path, "m", 'name: "m"\nmax_batch_size: many\n')
    fails(lambda: ModelRepository(tmp_path).model("m"), "m/config.pbtxt:2:17", "max_batch_size: many")
    (tmp_path / "m" / "config.pbtxt").write_bytes(b"\xff\xfe")
    fails(lambda: ModelRepository(tmp_path).model("m"), "m/config.pbtxt", "is not UTF-8 text")


def test_a_config_of_another_name_is_refused(tmp_path):
    add(tmp_path, "m", 'name: "other"')
    fails(lambda: ModelRepository(tmp_path).model("m"), "config.pbtxt", "'other'", "'m'")


def test_an_ensemble_needs_no_version_and_names_its_models(tmp_path):
    step = 'step [ { model_name: "a" }, { model_name: "b" } ]'
    add(tmp_path, "all", f'platform: "ensemble" ensemble_scheduling {{ {step} }}', version="")
    add(tmp_path, "a")
    repository = ModelRepository(tmp_path)
    fails(lambda: repository.composing_models(repository.model("all")), "'b'")
    add(tmp_path, "b")
    assert [each.name for each in repository.composing_models(repository.model("all"))] == ["a", "b"]


def test_the_file_listing_names_every_file_with_its_size(tmp_path):
    (tmp_path / "net" / "1").mkdir(parents=True)
    (tmp_path / "net" / "config.pbtxt").write_text('backend: "python"\n')
    (tmp_path / "net" / "1" / "model.py").write_bytes(b"#" * 26_400)
    listing = file_listing(ModelRepository(tmp_path).model("net"))
    assert listing == "net/config.pbtxt  18 B\nnet/1/model.py  26.4 kB\n"


def test_the_content_digest_sees_files_but_not_the_config(tmp_path):
    directory = add(tmp_path, "m", 'backend: "python"')
    (directory / "1" / "model.py").write_text("a")
    spec = ModelRepository(tmp_path).model("m")
    before = content_digest(spec)
    (directory / "config.pbtxt").write_text('backend: "python" max_batch_size: 4')
    (directory / "1" / "__pycache__").mkdir()
    (directory / "1" / "__pycache__" / "model.pyc").write_text("x")
    assert content_digest(spec) == before
    (directory / "1" / "model.py").write_text("b")
    assert content_digest(spec) != before


@pytest.mark.parametrize(
    ("written", "expected"),
    [("max_batch_size: 0", "fixed"), ("max_batch_size:0 # whole sequences", "fixed"), ("", "dynamic")],
)
def test_a_written_batch_size_of_zero_beside_complete_tensors_overrules_the_model_file(tmp_path, written, expected):
    # Rows of different requests were mixed where a leading -1 stands for time: the file cannot tell it from a batch.
    tensors = """
    input { name: "input" data_type: TYPE_FP32 dims: [ -1, 4 ] }
    output { name: "output" data_type: TYPE_FP32 dims: [ -1, 4 ] }
    """
    write_onnx(tmp_path, "m", f'backend: "onnxruntime"\n{written}\n{tensors}')
    assert ModelRepository(tmp_path).model("m").batch_dimension == expected


def test_a_batch_size_of_zero_in_a_comment_or_without_tensors_decides_nothing(tmp_path):
    write_onnx(tmp_path, "m", 'backend: "onnxruntime"\n# max_batch_size: 0\n')
    write_onnx(tmp_path, "n", 'backend: "onnxruntime"\nmax_batch_size: 0\n')  # the backend completes it to 4
    repository = ModelRepository(tmp_path)
    assert {repository.model(name).batch_dimension for name in ("m", "n")} == {"dynamic"}
