"""Nested dataclasses to JSON and back, so that a type may gain a field without a change of the tables.

JSON has neither infinities nor types, hence tagged objects: ``{"$": "Probe", "requests": 3, ...}`` for a
dataclass, ``{"$float": "inf"}``, ``{"$enum": ["OutcomeKind", "crashed"]}``, ``{"$path": "..."}`` and
``{"$map": [[key, value], ...]}`` for a mapping whose keys are not all texts. A list is a tuple.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from autotune.arrivals import Constant, Gamma, Poisson, Recorded
from autotune.environment import Environment, Gpu
from autotune.load import ClosedLoop, ConstantRate, PoissonRate, SpacedRate, Trace
from autotune.measurement import (
    ClientTimes,
    Disturbance,
    DisturbanceKind,
    Evidence,
    Infeasible,
    Limit,
    LimitKind,
    Measurement,
    Probe,
    Serving,
    Step,
    StepWindow,
    Stream,
    StreamWindow,
    Usage,
)
from autotune.objective import Ceiling, Objective
from autotune.outcome import Crash, Forecast, HostFactor, OutcomeKind, TrialOutcome
from autotune.prediction import Agreement, Coverage, Explanation, ParameterEffect
from autotune.repository import Difference, KeptApart
from autotune.server import ModelStatistics
from autotune.space import Candidate

_TYPES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Agreement,
        Candidate,
        Ceiling,
        ClientTimes,
        ClosedLoop,
        Constant,
        ConstantRate,
        Coverage,
        Crash,
        Difference,
        Disturbance,
        DisturbanceKind,
        Environment,
        Evidence,
        Explanation,
        Forecast,
        Gamma,
        Gpu,
        Infeasible,
        HostFactor,
        KeptApart,
        Limit,
        LimitKind,
        Measurement,
        ModelStatistics,
        Objective,
        OutcomeKind,
        ParameterEffect,
        Poisson,
        PoissonRate,
        Probe,
        Recorded,
        Serving,
        SpacedRate,
        Step,
        StepWindow,
        Stream,
        StreamWindow,
        Trace,
        TrialOutcome,
        Usage,
    )
}

_ABSENT: dict[str, Any] = {
    "float": math.nan,
    "int": 0,
    "str": "",
    "bool": False,
    "dict": {},
    "Mapping": {},
    "tuple": (),
    "Sequence": (),
}
"""What stands for a field without default that the writer did not know, by the first word of its annotation."""


def encode(value: Any, without: tuple[str, ...] = ()) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """The JSON form of ``value``.

    Args:
        value: A dataclass of this package, or what its fields hold.
        without: Fields of the outermost dataclass to leave out, because they are stored elsewhere.

    Raises:
        TypeError: A value of a type that is not stored.
    """
    if isinstance(value, Enum):
        return {"$enum": [type(value).__name__, value.value]}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(float(value))}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Path):
        return {"$path": str(value)}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {"$map": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, Sequence):
        return [encode(item) for item in value]
    if type(value).__name__ in _TYPES:
        fields = [
            field.name
            for field in dataclasses.fields(value)
            if field.name not in without and field.metadata.get("stored", True)
        ]
        return {"$": type(value).__name__, **{name: encode(getattr(value, name)) for name in fields}}
    if hasattr(value, "item"):  # a numpy scalar
        return encode(value.item())
    raise TypeError(f"cannot store a {type(value).__name__}")


def decode(data: Any, **known: Any) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """What `encode` was given.

    A field that this version does not know is dropped; one that the writer did not know takes its default,
    or an empty value of its type.

    Args:
        data: The JSON form.
        known: Fields of the outermost dataclass that were stored elsewhere.
    """
    if isinstance(data, list):
        return tuple(decode(item) for item in data)
    if not isinstance(data, dict):
        return data
    if "$float" in data:
        return float(data["$float"])
    if "$path" in data:
        return Path(data["$path"])
    if "$enum" in data:
        name, value = data["$enum"]
        return _TYPES[name](value)
    if "$map" in data:
        return {decode(key): decode(item) for key, item in data["$map"]}
    if "$" in data:
        return _build(_TYPES[data["$"]], {**{name: decode(item) for name, item in data.items()}, **known})
    return {key: decode(item) for key, item in data.items()}


def _from_text(kind: type, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rows of earlier versions hold reasons in words."""
    if kind is Probe and any(isinstance(each, str) for each in values.get("invalid", ())):
        return {**values, "invalid": tuple(Disturbance(DisturbanceKind.AS_TEXT, detail=t) for t in values["invalid"])}
    if kind is Measurement and isinstance(text := values.get("limited_by"), str):
        return {**values, "limited_by": Limit(LimitKind.AS_TEXT, text=text) if text else None}
    return values


def _build(kind: type, values: Mapping[str, Any]) -> Any:
    values = _from_text(kind, values)
    arguments = {}
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        if field.name in values:
            arguments[field.name] = values[field.name]
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            annotation = str(field.type)
            word = annotation.partition("[")[0].strip()
            arguments[field.name] = None if "None" in annotation else _ABSENT.get(word)
    return kind(**arguments)
