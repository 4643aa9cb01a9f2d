"""The class with the largest logit."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
            label = np.argmax(logits, axis=1, keepdims=True).astype(np.int64)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("class", label)]))
        return responses
