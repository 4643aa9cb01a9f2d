"""The loudest sample; refuses another value than 0.9375, and another language than en."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        wave = pb_utils.get_input_tensor_by_name(request, "wave").as_numpy()
        lang = pb_utils.get_input_tensor_by_name(request, "lang").as_numpy()
        loud = np.abs(wave).max(axis=1, keepdims=True)
        if loud.item() != 0.9375 or lang.tolist() != [[b"en"]]:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{loud.item()} in {lang.tolist()}"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("loud", loud)])
