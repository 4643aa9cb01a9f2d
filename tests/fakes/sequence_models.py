"""Python models that add up the inputs of each sequence, and the log in which they write every request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tiny_models import write_model

_SUMS = """
import json
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        given = json.loads(args["model_config"])["parameters"]
        self.log = open(given["log"]["string_value"], "a", buffering=1)
        self.totals = {}

    def execute(self, requests):
        time.sleep(0.0005)
        return [self.answer(request) for request in requests]

    def answer(self, request):
        def one(name):
            value = pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel()[0]
            return value.decode() if isinstance(value, bytes) else int(value)

        if not one("READY"):  # the slot has no request
            return pb_utils.InferenceResponse([pb_utils.Tensor("total", np.zeros((1, 1), np.int32))])
        who, start, end, step = one("CORRID"), one("START"), one("END"), one("step")
        if step < 0:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("steps are not negative"))
        if start:
            self.totals[who] = 0
        elif who not in self.totals:
            self.log.write(f"{who} unknown\\n")
        self.totals[who] = total = self.totals.get(who, 0) + step
        if end:
            del self.totals[who]
        self.log.write(f"{who} {start} {end} {step} {total}\\n")
        return pb_utils.InferenceResponse([pb_utils.Tensor("total", np.array([[total]], np.int32))])
"""

_CONFIG = """
backend: "python"
max_batch_size: 4
input {{ name: "step" data_type: TYPE_INT32 dims: [ 1 ] }}
output {{ name: "total" data_type: TYPE_INT32 dims: [ 1 ] }}
instance_group {{ count: 1 kind: KIND_CPU }}
parameters {{ key: "log" value {{ string_value: "{log}" }} }}
sequence_batching {{
  max_sequence_idle_microseconds: {idle_us}
  {strategy}
  control_input [
    {{ name: "START" control [ {{ kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] }} ] }},
    {{ name: "END" control [ {{ kind: CONTROL_SEQUENCE_END int32_false_true: [ 0, 1 ] }} ] }},
    {{ name: "READY" control [ {{ kind: CONTROL_SEQUENCE_READY int32_false_true: [ 0, 1 ] }} ] }},
    {{ name: "CORRID" control [ {{ kind: CONTROL_SEQUENCE_CORRID data_type: {id_type} }} ] }}
  ]
}}
"""

OLDEST = "oldest { max_candidate_sequences: 16 }"
DIRECT = "direct { }"


def write_sums(
    repository: Path,
    name: str = "sums",
    strategy: str = OLDEST,
    id_type: str = "TYPE_UINT64",
    idle_us: int = 20_000_000,
) -> Path:
    """Writes the model; returns its log. A slot that is left occupied stays so for ``idle_us``."""
    log = repository.parent / f"{name}.log"
    log.write_text("")
    write_model(repository, name, _CONFIG.format(log=log, strategy=strategy, id_type=id_type, idle_us=idle_us), _SUMS)
    return log


@dataclass(frozen=True)
class Told:
    """The requests that the model got as one sequence: their inputs and the last sum; ``ended``: by END."""

    steps: tuple[int, ...]
    total: int
    ended: bool


def read_sequences(log: Path) -> dict[str, Told]:
    """Correlation id to its sequence; an id that begins twice, or goes on after its end, is an error."""
    found: dict[str, Told] = {}
    for line in log.read_text().splitlines():
        who, *rest = line.split()
        assert rest != ["unknown"], f"{who} was continued without a start"
        start, end, step, total = map(int, rest)
        assert start == (who not in found), f"{who} begins twice, or without a start"
        before = found.get(who, Told((), 0, ended=False))
        assert not before.ended, f"{who} goes on after its end"
        found[who] = Told((*before.steps, step), total, bool(end))
    return found
