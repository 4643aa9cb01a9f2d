"""Trains the bundled iris forest and writes `iris/1/model.onnx` and `tests/data/iris_test.npz`.

    pip install -c constraints.txt -e '.[train]'
    python model_repository/iris/train.py

A random forest of 100 trees on scikit-learn's iris data, every third flower held out. Seeds are fixed: a
second run writes the same forest. Trees run faster one flower at a time than the request that carries it,
so this is the example where batching has little to give.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

SEED = 0
OPSET = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8
"""Old enough for every Triton container of the last years."""


def main() -> None:
    """Trains, prints the held-out accuracy and writes the model."""
    parser = argparse.ArgumentParser(description="trains the bundled iris forest")
    here = Path(__file__).resolve().parent
    parser.add_argument("--repository", type=Path, default=here.parent, help="model repository to write into")
    parser.add_argument("--test-data", type=Path, default=here.parent.parent / "tests" / "data" / "iris_test.npz")
    arguments = parser.parse_args()

    iris = load_iris()
    test = [row for row in range(len(iris.target)) if row % 3 == 0]
    train = [row for row in range(len(iris.target)) if row % 3]
    forest = RandomForestClassifier(n_estimators=100, random_state=SEED).fit(iris.data[train], iris.target[train])
    print(f"test accuracy {forest.score(iris.data[test], iris.target[test]):.4f}")

    model = to_onnx(
        forest,
        initial_types=[("input", FloatTensorType([None, 4]))],
        options={"zipmap": False},  # plain tensors: Triton has no maps
        target_opset=OPSET,
    )
    model.ir_version = IR_VERSION
    versions = {opset.domain: opset.version for opset in model.opset_import}  # skl2onnx lists some twice
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in versions.items())
    for tensor in (*model.graph.input, *model.graph.output):
        if not tensor.type.tensor_type.shape.dim[0].dim_param:
            tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    path = arguments.repository / "iris" / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    arguments.test_data.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        arguments.test_data, flowers=iris.data[test].astype(np.float32), labels=iris.target[test].astype(np.uint8)
    )


if __name__ == "__main__":
    main()
