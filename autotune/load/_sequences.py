"""Sequences: requests with one correlation id, sent in order, each after the answer to the one before."""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple

DEFAULT_LENGTH = 20
"""Requests of a sequence of generated data, on average: perf_analyzer's default."""

# Ids have ten digits, or 31 bits, whatever they are: a request has the same length for all of them, and they fit into
# every type of the CORRID control, which may be INT32.
_FIRST_ID = 1 << 30
_LANE_BITS, _COUNT_BITS = 10, 20
_LANES = (1 << _LANE_BITS) - 1
_lanes = itertools.count()

ALONE_ID = _FIRST_ID + (_LANES << _COUNT_BITS)
"""The first id of sequences of one request, which are sent outside any window: no generator has those."""
_alone = itertools.count()


class Step(NamedTuple):
    """One request of a sequence: which of the serialised requests, the correlation id, and the two flags."""

    request: int
    id: int
    start: bool
    end: bool

    @property
    def text_id(self) -> str:
        """The id as a string of 128 characters, Triton's longest.

        Triton 2.51 hands every string id on in a buffer of that size, and the Python backend takes the zeros after a
        shorter one for more strings: "unexpected number of string elements 2 for inference input, expecting 1".
        """
        return f"{self.id:0>128}"


def alone() -> Step:
    """A sequence of one request, with an id of its own."""
    return Step(0, ALONE_ID + next(_alone) % (1 << _COUNT_BITS), start=True, end=True)


@dataclass(frozen=True)
class SequencePlan:
    """The sequences of a load.

    Attributes:
        streams: The numbers of the requests of each stream, in order; sequences take the streams in turn.
        length: Requests of a sequence on average, which repeats its stream or leaves it unfinished; None: one for
            each of the stream's.
        text_ids: Whether ids are strings, as a CORRID control of TYPE_STRING needs.
        most: Sequences of an open loop that are unfinished at a time; None: as many as requests are outstanding.
        idle_s: After so long without a request the server ends a sequence.
        seed: Seed of the lengths.
        lane: Which of the disjoint ranges of ids is used.
        variation: The part of `length` by which sequences are longer or shorter at most: perf_analyzer's default.
        idle_part: The part of ``idle_s`` after which a sequence is begun anew instead of continued, so that the
            server does not end it while the request is on its way (a guess).
    """

    streams: tuple[tuple[int, ...], ...]
    length: int | None = None
    text_ids: bool = False
    most: int | None = None
    idle_s: float = 1.0
    seed: int = 0
    lane: int = 0
    variation: float = 0.2
    idle_part: float = 0.8

    def on_own_lane(self) -> SequencePlan:
        """The same with ids that no other generator of this program has, up to 1023 generators."""
        return replace(self, lane=next(_lanes) % _LANES)

    def share(self, index: int, of: int) -> int | None:
        """`most` for process ``index`` of several."""
        return None if self.most is None else max(1, self.most // of + (index < self.most % of))


class _Sequence:
    """An unfinished sequence.

    Attributes:
        position: Requests that were answered since it began.
        sent: Requests that were sent, failed ones included.
        ends: Whether its last request was sent before the answer to the one before.
        used_at: When the latest request ended.
    """

    __slots__ = ("ends", "id", "length", "position", "sent", "stream", "used_at")

    def __init__(self, sequence_id: int, stream: tuple[int, ...], length: int) -> None:
        self.id = sequence_id
        self.stream = stream
        self.length = length
        self.position = self.sent = 0
        self.ends = False
        self.used_at = 0.0

    def step(self, *, end: bool = False) -> Step:
        """The next request; ``end``: the last one, however many were left."""
        request = self.stream[self.position % len(self.stream)]
        return Step(request, self.id, self.position == 0, end or self.position + 1 == self.length)


class Sequences:
    """The sequences of one client process, over all its windows. Times are seconds of `time.perf_counter`.

    After a failed request the sequence begins anew with the same id: Triton then ends the old one and gives the new
    one its place, so that failures leave no slot occupied.

    Attributes:
        most: Unfinished sequences at a time; None for no limit.
        ended: Requests that `ending` gave and that were sent, since `begin_window`.
    """

    def __init__(self, plan: SequencePlan) -> None:
        self.most = plan.most
        self.ended = 0
        self._plan = plan
        self._random = random.Random(f"{plan.seed} {plan.lane}")  # noqa: S311 - no secret
        self._count = 0
        self._idle: deque[_Sequence] = deque()
        self._busy: dict[int, _Sequence] = {}
        self._ends_outstanding = False

    def begin_window(self) -> None:
        """Forgets the sequences whose last request was given up."""
        self._idle.clear()
        self._busy.clear()
        self._ends_outstanding = False
        self.ended = 0

    def take(self, index: int, now: float) -> Step | None:
        """The step that request ``index`` is; None where it has to wait for an answer.

        It continues the sequence that has waited longest; without one that waits a new sequence begins.
        """
        if self._idle:
            sequence = self._idle.popleft()
            if now - sequence.used_at > self._plan.idle_part * self._plan.idle_s:
                sequence.position = 0
        elif self.most is not None and len(self._busy) >= self.most:
            return None
        else:
            sequence = self._new()
        self._busy[index] = sequence
        sequence.sent += 1
        return sequence.step()

    def put_back(self, index: int) -> None:
        """Request ``index`` of `take` or `ending` was not sent."""
        sequence = self._busy.pop(index)
        self._idle.appendleft(sequence)
        if index < 0:
            self.ended -= 1
        else:
            sequence.sent -= 1

    def answered(self, index: int, now: float) -> None:
        """Request ``index`` of `take` was answered."""
        sequence = self._busy.pop(index)
        if not sequence.ends:
            sequence.position += 1
            sequence.used_at = now
            if sequence.position < sequence.length:
                self._idle.append(sequence)

    def failed(self, index: int, now: float) -> None:
        """Request ``index`` of `take` failed: its sequence begins anew."""
        sequence = self._busy.pop(index)
        if not sequence.ends:
            sequence.position = 0
            sequence.used_at = now
            self._idle.append(sequence)

    def end_outstanding(self) -> None:
        """Lets `ending` end sequences too whose requests have no answer yet; once, as no others are sent then."""
        if self._ends_outstanding:
            return
        self._ends_outstanding = True
        for index, sequence in self._busy.items():
            if index >= 0 and not sequence.ends:
                sequence.ends = True
                sequence.position += 1
                if sequence.position < sequence.length:
                    self._idle.append(sequence)

    def ending(self) -> tuple[int, Step] | None:
        """A request that ends a sequence, with a negative index below -1; None if none is left to be ended."""
        while self._idle:
            sequence = self._idle.popleft()
            if sequence.sent:
                self.ended += 1
                index = -1 - self.ended
                self._busy[index] = sequence
                return index, sequence.step(end=True)
        return None

    def _new(self) -> _Sequence:
        plan, number = self._plan, self._count
        self._count += 1
        stream = plan.streams[number % len(plan.streams)]
        length = len(stream)
        if plan.length is not None:
            spread = plan.variation * plan.length
            length = max(1, plan.length + int(self._random.uniform(-spread, spread)))
        within_lane = number % (1 << _COUNT_BITS)
        return _Sequence(_FIRST_ID + (plan.lane << _COUNT_BITS) + within_lane, stream, length)
