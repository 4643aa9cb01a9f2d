"""Results as JSON, for scripts. Infinite and undefined numbers become null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from autotune.arrivals import Arrivals
from autotune.report._diff import diff_json
from autotune.report._hardware import delivered_rate
from autotune.search import Finals, StudyResult, score, scores
from autotune.search.comparison import rank, speedup

if TYPE_CHECKING:
    from autotune.measurement import SweepResult
    from autotune.objective import Objective
    from autotune.search import FleetResult, Hardware
    from autotune.search.comparison import CheckResult, ComparisonResult
    from autotune.server import Diagnosis
    from autotune.store import TrialRecord

HIDDEN = ("histogram", "effective", "levels")
"""Fields of windows that only the database has: they are large, and estimates are made of them."""


def study(result: StudyResult) -> str:
    """A study: objective, every trial, the best, the baseline, the gain and the exported config's path."""
    return dumps({**_study(result), "trials": [_trial(trial, result) for trial in result.trials]})


def sweep(result: SweepResult) -> str:
    """A sweep: one object per window."""
    return dumps(plain(result, without=HIDDEN))


def diff(first: StudyResult, second: StudyResult) -> str:
    """Two studies: the ratio of their values, and what differs."""
    return dumps(diff_json(first, second))


def studies(results: Sequence[StudyResult]) -> str:
    """The studies of a database, each as `study` has it but without its trials."""
    return dumps([{**_study(result), "trials": len(result.trials)} for result in results])


def fleet(result: FleetResult) -> str:
    """Each model with its study as `studies` has it, or with the error; those whose turn did not come.

    ``hardware`` is null unless there was a study for each kind.
    """
    models = [
        {
            "model": each.model,
            "hardware": each.hardware and _hardware(each.hardware, delivered_rate(each.result)),
            "error": each.error,
            "study": each.result and _study(each.result),
        }
        for each in result.models
    ]
    return dumps({"models": models, "waiting": result.waiting})


def _hardware(hardware: Hardware, rate_per_s: float | None) -> dict[str, Any]:
    return {
        **plain(hardware),
        "rate_per_s": rate_per_s,
        "rate_per_device": None if rate_per_s is None else rate_per_s / hardware.devices,
        "device": "gpu" if hardware.gpus else "core",
        "inferences_per_price": None if rate_per_s is None else hardware.per_price(rate_per_s),
    }


def doctor(findings: Sequence[Diagnosis]) -> str:
    """What each launch mode finds and what is missing."""
    return dumps(findings)


def comparison(result: ComparisonResult) -> str:
    """A comparison: the configs with their rounds, the ranking, and the machine; the baseline of a later check."""
    return dumps(_comparison(result))


def check(result: CheckResult) -> str:
    """A check: the comparison with the baseline, and whether the config passed."""
    return dumps(
        {
            "outcome": result.gate,
            "allowed": result.allowed,
            "speed": result.relative,
            "comparison": _comparison(result.comparison),
        }
    )


def _comparison(result: ComparisonResult) -> dict[str, Any]:
    ranking = rank(result)
    fastest = ranking.fastest
    return {
        "model": result.model,
        "metric": str(result.metric),
        "fastest": fastest and fastest.name,
        "ties": [each.name for each in ranking.ties],
        "slower": [each.name for each in ranking.slower],
        "undecided": [each.name for each in ranking.undecided],
        "interrupted": result.interrupted,
        "configs": [
            {
                "name": each.name,
                "mean": each.mean,
                "speed": speedup(each, fastest, result) if fastest and each.compared and each is not fastest else None,
                "rounds": each.rounds,
                "out": each.out and each.out.out,
                "message": each.out.message if each.out else "",
                "configs": each.configs,
                "windows": [plain(sample.probe, without=HIDDEN) for sample in each.samples.values()],
            }
            for each in result.contenders
        ],
        "environment": result.environment,
    }


def _study(result: StudyResult) -> dict[str, Any]:
    return {
        "study": result.study,
        "model": result.model,
        "models": list(result.models),
        "objective": result.objective,
        "stopped": result.stopped,
        "search_seconds": result.search_s,
        "seconds": result.seconds,
        "storage": result.storage,
        "config_path": result.config_path,
        "feasible": result.best is not None,
        "gain": result.gain,
        "estimated_gain": result.estimated_gain,
        "uncompared": result.uncompared,
        "finals": _finals(result.finals),
        "explanation": result.explanation,
        "front": [
            {"trial": each.trial.number, "values": _named(each.values, result.objective)} for each in result.front
        ],
        "best": result.best and _trial(result.best, result),
        "baseline": result.baseline and _trial(result.baseline, result),
        "nearest": result.nearest and _trial(result.nearest, result),
    }


def _named(values: Sequence[float], objective: Objective) -> dict[str, float]:
    """Each value of an objective by its name."""
    return {value.name: number for value, number in zip(objective.values, values, strict=True)}


def _finals(finals: Finals | None) -> dict[str, Any] | None:
    if finals is None:
        return None
    return {
        "rounds": finals.rounds,
        "winner": finals.winner and finals.winner.trial.number,
        "gain": finals.gain,
        "sustained": finals.sustained,
        "open": finals.open,
        "ties": [each.trial.number for each in finals.ties],
        "finalists": [{"trial": each.trial.number, "rounds": each.rounds} for each in finals.finalists],
        "certificate": finals.certificate and plain(finals.certificate.outcome.measurement, without=("probes",)),
    }


def _trial(trial: TrialRecord, result: StudyResult) -> dict[str, Any]:
    outcome = trial.outcome
    measured = outcome.measurement
    return {
        "number": trial.number,
        "label": trial.label,
        "outcome": outcome.kind,
        "value": score(outcome, result.objective),
        "values": _named(scores(outcome, result.objective), result.objective),
        "forecast": outcome.forecast,
        "parameters": outcome.values.as_dict() if outcome.values else None,
        "rate_per_s": measured.rate_per_s if measured else None,
        "first_failing_per_s": measured.first_failing_per_s if measured else None,
        "latency_s": measured.latency_s if measured else None,
        "memory_bytes": measured.memory_bytes if measured else None,
        "gpu_memory_bytes": measured.gpu_memory_bytes if measured else None,
        "violations": measured.violations if measured else None,
        "kept_apart": outcome.kept_apart,
        "message": outcome.message,
        "crash": outcome.crash,
        "startup_s": outcome.startup_s,
        "seconds": outcome.seconds,
        "config": outcome.config_text,
        "configs": outcome.configs,
        "served_otherwise": outcome.differences,
        "log": outcome.log_path,
        "probes": [plain(probe, without=HIDDEN) for probe in measured.probes] if measured else [],
    }


def dumps(value: Any) -> str:
    return json.dumps(plain(value), indent=2) + "\n"


def plain(value: Any, without: Sequence[str] = ()) -> Any:
    """The value in JSON's own types; fields named in ``without`` are left out of every dataclass in it."""
    if isinstance(value, Enum):
        simple = value.value
    elif isinstance(value, Arrivals):
        simple = str(value)
    elif is_dataclass(value) and not isinstance(value, type):
        kept = (field.name for field in fields(value) if field.name not in without)
        simple = {name: plain(getattr(value, name), without) for name in kept}
    elif isinstance(value, Mapping):
        simple = {str(key): plain(item, without) for key, item in value.items()}
    elif isinstance(value, (list, tuple, set, frozenset)):
        simple = [plain(item, without) for item in value]
    elif isinstance(value, float):
        simple = value if math.isfinite(value) else None
    else:
        simple = value if value is None or isinstance(value, (bool, int, str)) else str(value)
    return simple
