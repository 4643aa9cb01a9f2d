"""The most probable class."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            probabilities = pb_utils.get_input_tensor_by_name(request, "probabilities").as_numpy()
            label = np.argmax(probabilities, axis=1, keepdims=True).astype(np.int64)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("label", label)]))
        return responses
