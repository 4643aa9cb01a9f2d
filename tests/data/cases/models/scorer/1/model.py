import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy() for request in requests]
        sums = [each.sum(axis=1, keepdims=True) for each in inputs]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("sum", each)]) for each in sums]
