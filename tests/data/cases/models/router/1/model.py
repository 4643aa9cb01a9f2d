"""Calls another model by name, which nothing in the config says; refuses a sum other than 10."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        numbers = pb_utils.get_input_tensor_by_name(request, "numbers")
        call = pb_utils.InferenceRequest(model_name="scorer", requested_output_names=["sum"], inputs=[numbers])
        answer = call.exec()
        if answer.has_error():
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(answer.error().message()))
        total = pb_utils.get_output_tensor_by_name(answer, "sum")
        if (total.as_numpy() != 10).any():
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"not 10: {total.as_numpy()}"))
        return pb_utils.InferenceResponse([total])
