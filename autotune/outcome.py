"""How a trial can end: typed, so that a failure is data and never a lost exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from autotune.measurement import Measurement
from autotune.repository import Difference, KeptApart
from autotune.server import ModelCrashed
from autotune.space import Candidate


class OutcomeKind(str, Enum):
    """How a trial ended. All but ``INTERRUPTED`` and ``OUT_OF_TIME`` are reported to Optuna as complete trials.

    ``PRUNED``: it does not sustain what the incumbent does; how much it sustains was not measured.
    ``WRONG_ANSWERS``: requests that are served together get other answers than each alone.
    """

    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    PRUNED = "pruned"
    WRONG_ANSWERS = "wrong answers"
    LOAD_FAILED = "failed to load"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    CLIENT_FAILED = "client failed"
    INTERRUPTED = "interrupted"
    OUT_OF_TIME = "out of time"

    @property
    def unfinished(self) -> bool:
        """Whether it ended before it was over, so that it says nothing about the config."""
        return self in (OutcomeKind.INTERRUPTED, OutcomeKind.OUT_OF_TIME)

    @classmethod
    def _missing_(cls, value: object) -> OutcomeKind | None:
        """Databases of earlier versions say ``beaten`` for pruned."""
        return cls.PRUNED if value == "beaten" else None


_FAILED = (
    OutcomeKind.WRONG_ANSWERS,
    OutcomeKind.LOAD_FAILED,
    OutcomeKind.CRASHED,
    OutcomeKind.TIMED_OUT,
    OutcomeKind.CLIENT_FAILED,
)


@dataclass(frozen=True)
class Forecast:
    """What a config was thought to come to before it was measured.

    Attributes:
        simulated: The simulator's value: inferences/s, or seconds of the optimised statistic.
        expected: The same, corrected by what the simulator got wrong so far.
        spread: Standard deviation of the logarithm of the true value about ``expected``.
        mean_batch: Inferences in an execution at that load, as simulated.
        concurrency: Outstanding requests with which a closed loop comes to it, as simulated; None where there is none.
        keeps: Whether it meets the SLO in simulation; if not, the values only say that it is far worse.
        win_probability: How likely it was to beat the best of the trials by more than the least gain; None where no
            trial had met the SLO.
    """

    simulated: float
    expected: float
    spread: float
    mean_batch: float
    concurrency: int | None = None
    keeps: bool = True
    win_probability: float | None = None


@dataclass(frozen=True)
class Crash:
    """How a process of a model died while its server lived on.

    Attributes:
        model: The model, which may be one that is called.
        batch_size: Inferences in the batch that it was executing; None if unknown.
        out_of_memory: Whether the kernel killed it for lack of memory.
    """

    model: str
    batch_size: int | None
    out_of_memory: bool = False

    @classmethod
    def of(cls, failure: BaseException) -> Crash | None:
        """What a failure says of it; None if no process of a model died."""
        if not isinstance(failure, ModelCrashed):
            return None
        return cls(failure.model, failure.batch_size, failure.out_of_memory)


@dataclass(frozen=True)
class HostFactor:
    """How a host of a cluster compares with the host of the baseline's trial.

    Attributes:
        host: Its name.
        value: What the baseline scores there, as a multiple of what it scores on its own host.
        deviation: Standard error of the factor's logarithm.
    """

    host: str
    value: float = 1.0
    deviation: float = 0.0


@dataclass(frozen=True)
class TrialOutcome:
    """What an executor returns for one trial.

    Attributes:
        kind: How it ended.
        candidate: What was tried; None for a baseline outside the space.
        configs: The text of each ``config.pbtxt`` that was served, by model, that of the model asked first; the asked
            texts if no server came up.
        measurement: What was measured; None where the server never answered.
        message: Why it failed, in the server's own words; empty otherwise.
        startup_s: Seconds from launch to ready; 0 where it never was.
        seconds: Wall time of the whole trial.
        log_path: The server's log.
        forecast: What it was thought to come to; None where nothing could be said.
        crash: How its model died; None if it did not.
        kept_apart: What kept requests from being batched together; None if nothing did.
        differences: What was served otherwise than asked.
        served_digest: Equal for configs that are served alike; empty if none was served.
        served_values: The candidate's values as served; None if they are the asked ones.
        wrong_batch: The size of a batch, at most, that got wrong answers; 0 if none did.
        host_factor: By which what it measured is compared with other hosts; None if it is not corrected.
    """

    kind: OutcomeKind
    candidate: Candidate | None
    configs: Mapping[str, str]
    measurement: Measurement | None
    message: str = ""
    startup_s: float = 0.0
    seconds: float = 0.0
    log_path: Path | None = None
    forecast: Forecast | None = None
    crash: Crash | None = None
    kept_apart: KeptApart | None = None
    differences: tuple[Difference, ...] = ()
    served_digest: str = ""
    served_values: Candidate | None = None
    wrong_batch: int = 0
    host_factor: HostFactor | None = None

    @property
    def values(self) -> Candidate | None:
        """The values that were measured: as served if the model or the server changed them."""
        return self.served_values or self.candidate

    @property
    def config_text(self) -> str:
        """The config of the model that got the requests."""
        return next(iter(self.configs.values()))

    @property
    def feasible(self) -> bool:
        """Whether it met the SLO."""
        return self.kind is OutcomeKind.FEASIBLE

    @property
    def failed(self) -> bool:
        """Whether server, model or client failed: then it says nothing about the SLO, whatever was measured before."""
        return self.kind in _FAILED
