"""How the calls of one run ended, streamed responses included."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from autotune.load._outcomes import Outcomes
    from autotune.load.grpc._headers import Failure
    from autotune.load.grpc._stream import Stream

# Kinds of failure in which the server did answer.
_ANSWERED = ("grpc ", "http ")


class Answers:
    """Writes ended calls into a run's outcomes; keeps apart what only streamed responses have.

    Attributes:
        last_s: When the last call ended, in seconds of the run.
        responses: Messages of streamed responses received.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self.last_s = 0.0
        self.responses = 0
        self._outcomes = outcomes
        # Latency until the first message, of the calls that had one and ended well, and which they are.
        self._first_s = array("d")
        self._first_of = array("q")

    def take(self, stream: Stream, started_at: float, now_s: float) -> bool:
        """Records a call that ended at ``now_s`` of the run that began ``started_at``; whether it was answered."""
        self.last_s = now_s
        if stream.failure is not None:
            self.responses += stream.responses
            self._outcomes.fail(*stream.failure)
            return stream.failure[0].startswith(_ANSWERED)
        index = stream.index
        due_s = self._outcomes.scheduled[index]
        self._outcomes.latency[index] = now_s - due_s
        if stream.messages is not None and stream.messages.count:
            self.responses += stream.messages.count
            self._first_s.append(stream.messages.first_at - started_at - due_s)
            self._first_of.append(index)
        return True

    def break_off(self, stream: Stream, failure: Failure, now_s: float) -> None:
        """Records a call that will not be answered any more."""
        self.last_s = now_s
        self.responses += stream.responses
        self._outcomes.fail(*failure)

    def first_response_s(self) -> NDArray[np.float64]:
        """Latency of each request until its first message; infinite without one or where the request failed."""
        first_s = np.full(len(self._outcomes), np.inf)
        first_s[np.array(self._first_of, np.int64)] = np.array(self._first_s)
        return first_s
