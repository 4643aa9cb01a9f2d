"""Trains the bundled digit network and writes the files that depend on it.

    pip install -c constraints.txt -e '.[train]'
    python model_repository/mnist/train.py

Data: scikit-learn's `load_digits` (1,797 handwritten digits, 8x8), enlarged to MNIST's 28x28 frame.
Network: the classic small MNIST convolution net (two convolutions, one linear layer, about 0.8 million
multiply-adds an image), trained in numpy, so that neither torch nor a download is needed. Seeds are fixed:
a second run gives the same network up to floating-point rounding in the BLAS library.

Writes, beside the test accuracy on stdout:
    mnist/1/model.onnx          batch dimension free, named "batch"
    mnist_static/1/model.onnx   the same network with the batch dimension fixed at 1
    tests/data/digits_test.npz  the held-out digits (8x8, with labels) that the accuracy is measured on
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]

SEED = 0
HELD_OUT = 360
"""Digits never trained on: one in five."""

DIGIT_SIZE = 20
FRAME_SIZE = 28
"""MNIST draws each digit in the middle 20x20 of a 28x28 frame."""

OPSET = 17
IR_VERSION = 8
"""Old enough for every Triton container of the last years."""


def enlarge(digits: Array) -> Array:
    """Images [n, 1, 28, 28] in 0..1 from 8x8 digits [n, 8, 8] in 0..16, bilinear, centred."""
    old = digits.shape[-1]
    centres = (np.arange(DIGIT_SIZE) + 0.5) * old / DIGIT_SIZE - 0.5
    weights = np.stack([np.interp(centres, np.arange(old), row) for row in np.eye(old)], axis=1)
    grown = weights @ (digits / 16.0) @ weights.T
    margin = (FRAME_SIZE - DIGIT_SIZE) // 2
    return np.pad(grown, ((0, 0), (margin, margin), (margin, margin)))[:, None].astype(np.float32)


def shifted(images: Array, rng: np.random.Generator) -> Array:
    """The images, each moved by up to two pixels in both directions: the network must not learn positions."""
    moves = rng.integers(-2, 3, size=(len(images), 2))
    return np.stack([np.roll(image, tuple(move), axis=(1, 2)) for image, move in zip(images, moves, strict=True)])


class Convolution:
    """A 5x5 convolution that keeps the image size, as a matrix product over unfolded patches."""

    def __init__(self, channels_in: int, channels_out: int, rng: np.random.Generator) -> None:
        scale = np.sqrt(2.0 / (channels_in * 25))
        self.weight = rng.normal(0, scale, (channels_out, channels_in, 5, 5)).astype(np.float32)
        self.bias = np.zeros(channels_out, np.float32)

    def forward(self, x: Array) -> Array:
        n, channels, height, width = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(2, 3))
        self.patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, channels * 25)
        self.shape = x.shape
        y = self.patches @ self.weight.reshape(len(self.bias), -1).T + self.bias
        return y.reshape(n, height, width, -1).transpose(0, 3, 1, 2)

    def backward(self, grad: Array) -> Array:
        n, channels, height, width = self.shape
        flat = grad.transpose(0, 2, 3, 1).reshape(-1, len(self.bias))
        self.grads = [(flat.T @ self.patches).reshape(self.weight.shape), flat.sum(axis=0)]
        patches = (flat @ self.weight.reshape(len(self.bias), -1)).reshape(n, height, width, channels, 5, 5)
        padded = np.zeros((n, channels, height + 4, width + 4), np.float32)
        for row in range(5):
            for column in range(5):
                padded[:, :, row : row + height, column : column + width] += patches[..., row, column].transpose(
                    0, 3, 1, 2
                )
        return padded[:, :, 2:-2, 2:-2]


class ReluPool:
    """Rectifies, then takes the maximum over ``size`` x ``size`` blocks (what does not fill a block is cut)."""

    def __init__(self, size: int) -> None:
        self.size = size

    def forward(self, x: Array) -> Array:
        n, channels, height, width = x.shape
        rows, columns, size = height // self.size, width // self.size, self.size
        blocks = x[:, :, : rows * size, : columns * size].reshape(n, channels, rows, size, columns, size)
        y: Array = np.maximum(blocks.max(axis=(3, 5)), 0)
        self.shape = x.shape
        self.chosen = (blocks == y[:, :, :, None, :, None]) & (blocks > 0)
        return y

    def backward(self, grad: Array) -> Array:
        spread = self.chosen * grad[:, :, :, None, :, None]
        n, channels, rows, size, columns, _ = spread.shape
        x = np.zeros(self.shape, np.float32)
        x[:, :, : rows * size, : columns * size] = spread.reshape(n, channels, rows * size, columns * size)
        return x


class Linear:
    """The last layer: flattened features to ten logits."""

    def __init__(self, features: int, outputs: int, rng: np.random.Generator) -> None:
        self.weight = rng.normal(0, np.sqrt(1.0 / features), (features, outputs)).astype(np.float32)
        self.bias = np.zeros(outputs, np.float32)

    def forward(self, x: Array) -> Array:
        self.shape, self.x = x.shape, x.reshape(len(x), -1)
        y: Array = self.x @ self.weight + self.bias
        return y

    def backward(self, grad: Array) -> Array:
        self.grads = [self.x.T @ grad, grad.sum(axis=0)]
        x: Array = (grad @ self.weight.T).reshape(self.shape)
        return x


class Network:
    """28x28 -> conv 8 -> pool 2 -> conv 16 -> pool 3 -> linear 10, trained with Adam on cross-entropy."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.conv1, self.conv2 = Convolution(1, 8, rng), Convolution(8, 16, rng)
        self.linear = Linear(16 * 4 * 4, 10, rng)
        self.layers = [self.conv1, ReluPool(2), self.conv2, ReluPool(3), self.linear]
        self.trained = [self.conv1, self.conv2, self.linear]
        self.means = [np.zeros_like(p) for p in self.parameters()]
        self.squares = [np.zeros_like(p) for p in self.parameters()]
        self.steps = 0

    def parameters(self) -> list[Array]:
        return [p for layer in self.trained for p in (layer.weight, layer.bias)]

    def logits(self, images: Array) -> Array:
        x = images
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def step(self, images: Array, labels: NDArray[np.int64], rate: float) -> None:
        logits = self.logits(images)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        grad = odds / odds.sum(axis=1, keepdims=True)
        grad[np.arange(len(labels)), labels] -= 1
        grad /= len(labels)
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        self.steps += 1
        gradients = [g for layer in self.trained for g in layer.grads]
        correction = np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps)
        for i, (parameter, gradient) in enumerate(zip(self.parameters(), gradients, strict=True)):
            self.means[i] += 0.1 * (gradient - self.means[i])
            self.squares[i] += 0.001 * (gradient**2 - self.squares[i])
            np.subtract(parameter, rate * correction * self.means[i] / (np.sqrt(self.squares[i]) + 1e-8), out=parameter)


def to_onnx(network: Network, batch: int | str) -> onnx.ModelProto:
    """The network as ONNX; ``batch`` is the first dimension: a name makes it free, a number fixes it."""
    weights = dict(
        zip(("conv1.w", "conv1.b", "conv2.w", "conv2.b", "linear.w", "linear.b"), network.parameters(), strict=True)
    )
    padding: dict[str, Any] = {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}
    nodes = [
        helper.make_node("Conv", ["input", "conv1.w", "conv1.b"], ["c1"], **padding),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "conv2.w", "conv2.b"], ["c2"], **padding),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Flatten", ["p2"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "linear.w", "linear.b"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 1, FRAME_SIZE, FRAME_SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="triton-autotune")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Trains, prints the held-out accuracy and writes the three files."""
    from sklearn.datasets import load_digits  # the tests borrow `enlarge` and have no scikit-learn

    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="trains the bundled digit network")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--repository", type=Path, default=here.parent, help="model repository to write into")
    parser.add_argument("--test-data", type=Path, default=here.parent.parent / "tests" / "data" / "digits_test.npz")
    arguments = parser.parse_args()

    rng = np.random.default_rng(SEED)
    digits = load_digits()
    order = rng.permutation(len(digits.images))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    images, labels = enlarge(digits.images), digits.target.astype(np.int64)

    network = Network(rng)
    for epoch in range(arguments.epochs):
        rate = 0.002 * (1 - epoch / arguments.epochs)
        for start in range(0, len(train), 32):
            if start == 0:
                rng.shuffle(train)
            chosen = train[start : start + 32]
            network.step(shifted(images[chosen], rng), labels[chosen], rate)
        accuracy = float((network.logits(images[test]).argmax(axis=1) == labels[test]).mean())
        print(f"epoch {epoch + 1:2}: test accuracy {accuracy:.4f}")

    for name, batch in (("mnist", "batch"), ("mnist_static", 1)):
        path = arguments.repository / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(to_onnx(network, batch), path)
    arguments.test_data.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        arguments.test_data, digits=digits.images[test].astype(np.uint8), labels=labels[test].astype(np.uint8)
    )


if __name__ == "__main__":
    main()
