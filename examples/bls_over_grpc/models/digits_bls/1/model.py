"""Asks the model ``digits`` for all requests of a batch at once, and answers each with its digit."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        pixels = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        asked = pb_utils.InferenceRequest(
            model_name="digits",
            requested_output_names=["logits"],
            inputs=[pb_utils.Tensor("input", np.concatenate(pixels))],
        )
        answer = asked.exec()
        if answer.has_error():
            error = pb_utils.TritonError(answer.error().message())
            return [pb_utils.InferenceResponse(error=error) for _ in requests]
        logits = pb_utils.get_output_tensor_by_name(answer, "logits").as_numpy()
        digits = np.argmax(logits, axis=1).astype(np.int64).reshape(-1, 1)
        ends = np.cumsum([len(each) for each in pixels])[:-1]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("digit", part)]) for part in np.split(digits, ends)]
