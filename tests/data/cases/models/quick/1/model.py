import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.0002 + 0.0001 * len(requests))
        inputs = [pb_utils.get_input_tensor_by_name(request, "a").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("b", each)]) for each in inputs]
