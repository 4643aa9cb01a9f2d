"""Puts the bundled iris forest into the ensemble's repository.

python examples/iris_ensemble/build.py
"""

import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    forest = HERE.parents[1] / "model_repository" / "iris" / "1" / "model.onnx"
    path = HERE / "models" / "forest" / "1" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    shutil.copyfile(forest, path)
