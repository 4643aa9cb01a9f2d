"""Asks requests alone, then beside one another, and compares the answers.

A model that mixes the rows of a batch answers every request, and often at a high rate: no measurement shows it.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autotune.load.answers._ask import ask, ask_at_once
from autotune.load.answers._compare import differing
from autotune.load.answers._types import Answer, WrongAnswers
from autotune.load.payload import Payload
from autotune.repository import instances_of
from autotune.server import ModelCrashed, RunningServer

_CONCATENATING = ("onnxruntime", "tensorrt", "tensorflow", "pytorch", "openvino")
"""Backends for which requests of a batch and one request of that batch size are the same."""

_MOST_AT_ONCE = 64  # guess
_LARGEST_REQUEST_BYTES = 64 << 20  # guess
_ABOUT_S = 2.0  # guess: seconds that the requests of a slow model may take, asked at once
_FEW = 2  # guess: inputs of a slow model
_ROUNDS = 3  # guess: of requests at once, until a batch was formed
_CONFIRMED, _TRIES = 3, 6  # guess: failing batches, as some models fail now and then whatever the batch
_AT_ONCE = "requests at once change each other's answers"
_REMEDY = "make all outputs have the model's batch dimension, or write max_batch_size: 1"
_COUNTED_LATE, _SOON_S = 10, 0.005  # Triton counts a request shortly after it has answered it


def check_answers(server: RunningServer, config: Mapping[str, Any], inputs: Sequence[Payload]) -> str:
    """Compares the answers to ``inputs`` alone with those beside one another, if the served config batches them.

    Also if it has several instances, which may share what they should not. Outputs that differ between two equal
    requests alone are compared by their shapes only.

    Args:
        server: A ready server that nobody else loads.
        config: The config that it serves, ``/v2/models/M/config``.
        inputs: Different requests; see `fixed_inputs`.

    Returns:
        What was not compared and why, in words; empty if all was, or if there was nothing to compare.

    Raises:
        WrongAnswers: Answers differ, or requests fail only beside others.
        ServerCrashed: The model died of it.
    """
    batch_size = inputs[0].batch_size
    batch = int(config.get("max_batch_size", 0)) // batch_size if "dynamic_batching" in config else 1
    instances = max(1, instances_of(config.get("instance_group", ())))
    if (batch < 2 and instances < 2 and "ensemble_scheduling" not in config) or "sequence_batching" in config:
        return ""
    if config.get("model_transaction_policy", {}).get("decoupled"):
        return "answers are not compared: the model is decoupled"
    try:
        check = _Check(server, inputs)
        if not check.inputs:  # for the measurement to report
            return ""
        if batch > 1 and str(config.get("backend") or config.get("platform")).startswith(_CONCATENATING):
            for size in sorted({2, min(batch, _MOST_AT_ONCE)}):
                check.in_one_request(size)
        few = instances + 2
        many = _MOST_AT_ONCE if "ensemble_scheduling" in config else instances + max(2, batch)
        check.at_once(few, 1)
        if check.alone_s * few < _ABOUT_S:
            many = min(many, _MOST_AT_ONCE, round(_ABOUT_S / check.alone_s))
            check.at_once(max(few, many), _ROUNDS if batch > 1 and check.largest_batch < 2 else 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        server.check_alive()
        return f"answers are not compared: {error or type(error).__name__}"
    if batch > 1 and check.largest_batch < 2:
        return "answers are not compared: Triton did not batch the requests that were sent together"
    return check.unchecked


class _Check:
    """One comparison; see `check_answers`.

    Attributes:
        inputs: The requests that are answered alone.
        alone_s: Seconds that one takes.
        largest_batch: Requests in the largest batch so far.
    """

    def __init__(self, server: RunningServer, inputs: Sequence[Payload]) -> None:
        self._server = server
        self._endpoint = server.endpoint
        self.largest_batch = 1
        self.alone_s = 0.0
        self._request_size = inputs[0].batch_size
        self._formed = 1  # requests in the largest batch of the latest answers
        self._unstable: set[str] = set()
        started = time.perf_counter()
        first = [ask(self._endpoint, inputs[0])]
        self.alone_s = time.perf_counter() - started
        if 2 * len(inputs) * self.alone_s > _ABOUT_S:  # the first request of a server may be slow by itself
            started = time.perf_counter()
            ask(self._endpoint, inputs[0])
            self.alone_s = min(self.alone_s, time.perf_counter() - started)
        slow = 2 * len(inputs) * self.alone_s > _ABOUT_S
        inputs = inputs[:_FEW] if slow else inputs
        first += [ask(self._endpoint, each) for each in inputs[1:]]
        answered = [(each, answer) for each, answer in zip(inputs, first, strict=True) if not answer.error]
        self.inputs = [each for each, _ in answered]
        self._alone = [answer for _, answer in answered]
        if slow:  # whether an answer changes with time is asked only if one differs
            return
        for index in reversed(range(len(answered))):  # in another order: what came before must not matter
            started = time.perf_counter()
            again = ask(self._endpoint, self.inputs[index])
            self.alone_s = time.perf_counter() - started
            self._unstable.update(differing(self._alone[index], again))

    @property
    def unchecked(self) -> str:
        """Outputs that are not compared, and why."""
        if self._unstable:
            names = ", ".join(sorted(self._unstable))
            return f"answers are not compared for output {names}: the same request gets different answers"
        if len(self.inputs) < 2:
            return "answers are compared for one request only: give several of the same shape with --input-data"
        return ""

    def in_one_request(self, size: int) -> None:
        """Asks a batch of ``size`` requests as one request, as the backend sees a batch.

        Raises:
            WrongAnswers: Its rows are not those of the requests alone, or it fails.
        """
        parts = self._cycled(size)
        if sum(tensor.data.nbytes for part in parts for tensor in part.inputs) > _LARGEST_REQUEST_BYTES:
            return
        tensors = zip(*(part.inputs for part in parts), strict=True)
        joined = tuple(replace(each[0], data=np.concatenate([one.data for one in each])) for each in tensors)
        rows = parts[0].batch_size
        batch = replace(parts[0], inputs=joined, batch_size=rows * size)

        def together() -> list[Answer]:
            whole = ask(self._endpoint, batch)
            return [whole] if whole.error else [_rows(whole, rows * place, rows) for place in range(size)]

        self._formed = size
        self._request_size = batch.batch_size
        self.largest_batch = max(self.largest_batch, size)
        self._examine(together, size, f"a batch of {size} requests fails though one alone does not")

    def at_once(self, count: int, rounds: int) -> None:
        """Asks ``count`` requests at once, again until some were batched.

        Raises:
            WrongAnswers: An answer differs from the one alone, or a request fails.
        """
        self._request_size = self.inputs[0].batch_size
        for _ in range(rounds):
            self._examine(lambda: self._counted(count), count, "requests at once fail though one alone does not")
            if self.largest_batch > 1:
                return

    def _counted(self, count: int) -> list[Answer]:
        """The answers to requests at once; takes note of the batches that Triton formed of them."""
        before = self._server.statistics()
        answers = ask_at_once(self._endpoint, self._cycled(count))
        for _ in range(_COUNTED_LATE):
            batches = (self._server.statistics() - before).batch_executions
            if sum(size * executions for size, executions in batches.items()) >= count:
                break
            time.sleep(_SOON_S)
        self._formed = max(batches, default=0) // self.inputs[0].batch_size
        self.largest_batch = max(self.largest_batch, self._formed)
        return answers

    def _cycled(self, count: int) -> list[Payload]:
        return [self.inputs[place % len(self.inputs)] for place in range(count)]

    def _examine(self, together: Callable[[], Sequence[Answer]], count: int, failing: str) -> None:
        """Compares answers: a difference must not show alone, an error in every batch and never alone."""
        failed = 0
        for _ in range(_TRIES):
            answers = together()
            error, difference = self._problem(answers)
            if not (error or difference):
                if not failed or self._formed > 1:
                    return
                continue  # nothing was batched this time
            self._check_model()
            if self._fails_alone(count):
                return
            error, difference = self._problem(answers)  # without what was found to change with time
            if difference:
                together_words = "batching changes the answers" if self._formed > 1 else _AT_ONCE
                raise WrongAnswers(f"{together_words}: {difference}", self._formed)
            failed += bool(error)
            if failed == _CONFIRMED:
                raise WrongAnswers(f"{failing}: {error}; {_REMEDY}", self._formed)

    def _check_model(self) -> None:
        """Raises `ModelCrashed` if a process of the model died of what was asked: each request would wait a second."""
        try:
            self._server.check_alive()
        except ModelCrashed as crash:
            raise crash.with_requests_of(self._request_size) from None

    def _problem(self, answers: Sequence[Answer]) -> tuple[str, str]:
        """The first error, and the first difference from the answers alone, in words."""
        error = next((each.error for each in answers if each.error and not each.refused), "")
        for place, answer in enumerate(answers):
            alone = self._alone[place % len(self._alone)]
            for name, words in {} if answer.error else differing(alone, answer, self._unstable).items():
                return error, f"output {name!r}{'' if words[0] == '[' else ' '}{words}"
        return error, ""

    def _fails_alone(self, count: int) -> bool:
        """Whether one of so many requests fails alone too; takes note of answers that change with time.

        Raises:
            ServerCrashed: The model died of the batch.
        """
        answers = [ask(self._endpoint, each) for each in self._cycled(count)]
        self._server.check_alive()
        for place, answer in enumerate(answers):
            if not answer.error:
                self._unstable.update(differing(self._alone[place % len(self._alone)], answer))
        return any(answer.error for answer in answers)


def _rows(answer: Answer, first: int, count: int) -> Answer:
    """The answer to one request of a batch."""
    outputs = {
        name: replace(output, data=output.data[first : first + count]) for name, output in answer.outputs.items()
    }
    return Answer(outputs)
