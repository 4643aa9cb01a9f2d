"""Has an input that is really named model; refuses other values than 3 and 4."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        given = pb_utils.get_input_tensor_by_name(request, "model").as_numpy()
        if given.tolist() != [[3, 4]]:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"model: {given.tolist()}"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("same", given + np.float32(0))])
