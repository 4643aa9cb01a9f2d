"""JPEG files to pixels from -1 to 1, channels first."""

import io
import json
import time

import numpy as np
import triton_python_backend_utils as pb_utils
from PIL import Image

SIDE = 64


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.fetch_s = float(parameters["fetch_ms"]["string_value"]) / 1e3

    def execute(self, requests):
        responses = []
        for request in requests:
            files = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
            pixels = np.stack([self.pixels(file) for file in files])
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("pixels", pixels)]))
        return responses

    def pixels(self, file):
        time.sleep(self.fetch_s)
        image = Image.open(io.BytesIO(file.tobytes())).convert("RGB").resize((SIDE, SIDE))
        return np.asarray(image, np.float32).transpose(2, 0, 1) / 127.5 - 1
