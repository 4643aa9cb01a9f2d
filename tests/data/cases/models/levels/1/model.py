"""Raises a smaller max_batch_size to 16, refuses a larger one, and switches the batcher on."""

import time

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "signal", "data_type": "TYPE_FP32", "dims": [4]})
        config.add_output({"name": "level", "data_type": "TYPE_FP32", "dims": [1]})
        config.set_max_batch_size(16)
        config.set_dynamic_batching()
        return config

    def execute(self, requests):
        time.sleep(0.001)
        inputs = [pb_utils.get_input_tensor_by_name(request, "signal").as_numpy() for request in requests]
        levels = [each.max(axis=1, keepdims=True) for each in inputs]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("level", each)]) for each in levels]
