"""Why a window does not count and what limits a config, as figures; `autotune.report` has the words."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class DisturbanceKind(enum.Enum):
    """What disturbed a window."""

    CLIENT_LATE = "client late"
    CLIENT_BUSY = "client busy"
    NOT_ALL_SENT = "not all sent"
    OTHER_PROCESSES = "other processes"
    STEAL = "steal"
    GPU_SLOWED = "GPU slowed"
    AS_TEXT = "as text"

    @property
    def of_client(self) -> bool:
        """Whether the load generator is at fault, not the machine."""
        return self in (DisturbanceKind.CLIENT_LATE, DisturbanceKind.CLIENT_BUSY, DisturbanceKind.NOT_ALL_SENT)


@dataclass(frozen=True)
class Disturbance:
    """Why a window says nothing about the server.

    Attributes:
        kind: What disturbed it.
        value: What was seen: seconds for ``CLIENT_LATE``, else a fraction.
        limit: What is allowed, in the same unit.
        cores: Cores that the fraction refers to.
        detail: Why GPUs were slowed down; the whole reason in words where an earlier version stored it so.
    """

    kind: DisturbanceKind
    value: float = 0.0
    limit: float = 0.0
    cores: int = 1
    detail: str = ""


class LimitKind(enum.Enum):
    """What limits the rate."""

    CLIENT = "client"
    THINK_TIME = "think time"
    CORES = "cores"
    INSTANCES = "instances"
    QUEUE = "queue"
    EXECUTION = "execution"
    ERRORS = "errors"
    AS_TEXT = "as text"


@dataclass(frozen=True)
class Limit:
    """What keeps the rate from being higher, with the figures that show it; those of other kinds are 0.

    Attributes:
        kind: What limits.
        model: The step of an ensemble, or the one of several models, that limits; empty for a single model.
        rate_limited: Whether instances may wait for the rate limiter.
        instances: Instances of the model.
        busy: Fraction of the time that instances or cores are busy.
        client: Fraction of the cores that the client takes.
        cores: Cores that server and client share.
        mean_batch: Inferences per execution.
        queue_s: Seconds that a request waits on average.
        compute_s: Seconds that its execution takes on average.
        think_s: Think time of the closed loop's client in seconds.
        most_per_s: Inferences/s that it completes at most.
        disturbance: What disturbed the failing windows.
        failed: Fraction of the requests that the server answered with an error.
        queue_size: ``max_queue_size`` of the config's queue policy; 0 for none.
        queue_field: The config's field that says so.
        text: The first error in the server's words; the limit in words, as an earlier version stored it.
    """

    kind: LimitKind
    instances: int = 0
    busy: float = 0.0
    client: float = 0.0
    cores: int = 0
    mean_batch: float = 0.0
    queue_s: float = 0.0
    compute_s: float = 0.0
    think_s: float = 0.0
    most_per_s: float = 0.0
    disturbance: Disturbance | None = None
    text: str = ""
    model: str = ""
    rate_limited: bool = False
    failed: float = 0.0
    queue_size: int = 0
    queue_field: str = ""


class Infeasible(enum.Enum):
    """Why no load of a config is the answer."""

    ALONE = "a single request at a time violates a ceiling"
    NO_LOAD = "every load that was offered violates a ceiling"
    PRUNED = "the incumbent sustains more"
    NOT_ROBUST = "neighbouring concurrencies violate a ceiling, or complete far less"
    NOT_SUSTAINED = "the rate that was asked for is not sustained"
    MEMORY = "the server uses more memory than it may"
    DISTURBED = "the window that violates a ceiling was disturbed, which says nothing about the config"
