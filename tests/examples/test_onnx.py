"""The committed ONNX examples do what their configs and the README say."""

import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "model_repository"
DATA = ROOT / "tests" / "data"


def session(model):
    return onnxruntime.InferenceSession(REPOSITORY / model / "1" / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def held_out_digits():
    spec = importlib.util.spec_from_file_location("mnist_train", REPOSITORY / "mnist" / "train.py")
    train = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(train)
    data = np.load(DATA / "digits_test.npz")
    return train.enlarge(data["digits"].astype(np.float32)), data["labels"]


def test_mnist_reads_over_95_percent_of_held_out_digits(held_out_digits):
    images, labels = held_out_digits
    (logits,) = session("mnist").run(["logits"], {"input": images})
    assert len(labels) == 360
    assert (logits.argmax(axis=1) == labels).mean() > 0.95


def test_mnist_answers_each_digit_alike_alone_and_in_a_batch(held_out_digits):
    images, _ = held_out_digits
    model = session("mnist")
    (together,) = model.run(["logits"], {"input": images[:8]})
    alone = [model.run(["logits"], {"input": image[None]})[0] for image in images[:8]]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)


def test_mnist_static_is_the_same_network_for_one_digit_at_a_time(held_out_digits):
    images, _ = held_out_digits
    static = session("mnist_static")
    assert static.get_inputs()[0].shape == [1, 1, 28, 28]
    (expected,) = session("mnist").run(["logits"], {"input": images[:4]})
    answers = [static.run(["logits"], {"input": image[None]})[0] for image in images[:4]]
    np.testing.assert_allclose(np.concatenate(answers), expected, atol=1e-4)


def test_iris_names_over_90_percent_of_held_out_flowers():
    data = np.load(DATA / "iris_test.npz")
    labels, probabilities = session("iris").run(["label", "probabilities"], {"input": data["flowers"]})
    assert len(labels) == 50
    assert (labels == data["labels"]).mean() > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-4)
    assert (probabilities.argmax(axis=1) == labels).all()


@pytest.mark.parametrize("model", ["mnist", "iris"])
def test_batching_examples_leave_the_first_dimension_free_under_a_name(model):
    tensors = [*session(model).get_inputs(), *session(model).get_outputs()]
    assert {tensor.shape[0] for tensor in tensors} == {"batch"}


@pytest.mark.parametrize("model", ["mnist", "mnist_static", "iris"])
def test_example_models_stay_small_enough_to_commit(model):
    assert (REPOSITORY / model / "1" / "model.onnx").stat().st_size < 1_000_000
