"""Adds up pixels; refuses a sum that is neither 15 nor 21."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        pixels = pb_utils.get_input_tensor_by_name(request, "pixels").as_numpy()
        total = pixels.astype(np.int64).sum(axis=(1, 2))[:, None]
        if total.item() not in (15, 21):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"sum: {total.item()}"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("sum", total)])
