"""Search spaces from YAML."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.repository import ARGUMENT_FIELD, ModelConfig, suggestion
from autotune.space._document import Node, parse_document
from autotune.space._model_analyzer import MODEL_ANALYZER_ADVICE, is_model_analyzer
from autotune.space._parameter import (
    BUILT_IN,
    DYNAMIC_BATCHING,
    INSTANCE_COUNT,
    INSTANCE_KIND,
    KEEP_KIND,
    MAX_BATCH_SIZE,
    NO_PREFERENCE,
    PREFERRED,
    QUEUE_DELAY,
    Parameter,
    encode,
    is_power_of_two,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_SECTIONS = ("parameters", "fields", "server")
_RANGE_KEYS = ("low", "high", "step", "scale", "refine")
_KINDS = (KEEP_KIND, "KIND_CPU", "KIND_GPU", "KIND_MODEL")
_MOST_CHOICES = 10_000
_PATHS_OF_BUILT_IN = {
    "max_batch_size": MAX_BATCH_SIZE,
    "dynamic_batching": DYNAMIC_BATCHING,
    "dynamic_batching.max_queue_delay_microseconds": QUEUE_DELAY,
    "dynamic_batching.preferred_batch_size": PREFERRED,
    "instance_group": INSTANCE_COUNT,
    "instance_group.count": INSTANCE_COUNT,
    "instance_group.kind": INSTANCE_KIND,
    "name": "",
}


def load_parameters(text: str, source: str) -> tuple[Parameter, ...]:
    """The parameters of a search-space file: ours in a fixed order, then fields in the file's order.

    Raises:
        UsageError: The file is at fault; names file, line and what to do.
    """
    root = parse_document(text, source)
    if not root.is_mapping:
        raise root.error(
            "expected 'parameters:' or 'fields:' at the top, such as 'parameters: {instance_count: [1, 2]}'"
        )
    if is_model_analyzer(root.value):
        raise UsageError(f"--search-space: {source}: {MODEL_ANALYZER_ADVICE}")
    parameters: dict[str, Parameter] = {}
    fields: list[Parameter] = []
    for section, key, body in root.items():
        if section not in _SECTIONS:
            hint = _place_of(section, key) or suggestion(section, _SECTIONS)
            raise key.error(f"unknown section {section!r}{hint or '; use parameters, fields or server'}")
        if body.value is None:
            continue
        if not body.is_mapping:
            raise body.error(f"{section}: expected a mapping of names to values, found {body.value!r}")
        for name, name_node, choices in body.items():
            if section == "server":
                fields.append(_argument(name, name_node, choices))
            elif section == "fields":
                fields.append(_field(name, name_node, choices))
            else:
                parameters[name] = _built_in(name, name_node, choices)
    if not parameters and not fields:
        raise root.error("nothing to search; add parameters such as instance_count: [1, 2]")
    return (*(parameters[name] for name in BUILT_IN if name in parameters), *fields)


def _built_in(name: str, key: Node, choices: Node) -> Parameter:
    if name not in BUILT_IN:
        hint = (
            _place_of(name, key)
            or suggestion(name, BUILT_IN)
            or f"; use one of {', '.join(BUILT_IN)}, or name a config field under 'fields:'"
        )
        raise key.error(f"parameters: unknown parameter {name!r}{hint}")
    return Parameter.of(name, _settings(name, choices, _CHECKS[name]), _between(name, choices))


def _place_of(name: str, key: Node) -> str:
    """Where a misplaced name belongs, as a hint; empty if it is neither a parameter nor a config field.

    Raises:
        UsageError: It is a path into the config that does not exist.
    """
    parameter = _PATHS_OF_BUILT_IN.get(name) or (name if name in BUILT_IN else "")
    if parameter:
        renamed = "" if parameter == name else f" as {parameter}"
        return f"; move it under 'parameters:'{renamed}"
    try:
        ModelConfig.empty().has(name)
    except UsageError as error:
        if "." in name:
            raise key.error(str(error)) from error
        return ""
    return "" if name in _PATHS_OF_BUILT_IN else "; it is a config field: move it under 'fields:'"


def _field(path: str, key: Node, choices: Node) -> Parameter:
    if path in _PATHS_OF_BUILT_IN:
        use = _PATHS_OF_BUILT_IN[path]
        raise key.error(f"fields: {path!r} {f'is the parameter {use}; move it there' if use else 'cannot be searched'}")
    empty = ModelConfig.empty()

    def check(name: str, node: Node) -> Any:
        try:
            if node.value is None:
                empty.has(path)
            else:
                empty.with_value(path, node.value)
        except UsageError as error:
            raise node.error(f"fields: {error}") from error
        return node.value

    return Parameter.of(path, _settings(path, choices, check), _between(path, choices))


def _argument(name: str, key: Node, choices: Node) -> Parameter:
    """An argument of ``tritonserver``; null leaves it out."""
    if not re.fullmatch(r"--[a-z][a-z0-9-]*", name):
        raise key.error(f"server: {name!r} is no argument of tritonserver; write it as in --http-thread-count")

    def check(_: str, node: Node) -> Any:
        value = node.value
        if value is not None and not isinstance(value, (str, int, float)):
            raise node.error(f"server: {name}: {value!r} is no value of an argument; write a string, a number or null")
        return value

    settings = [str(each).lower() if isinstance(each, bool) else each for each in _settings(name, choices, check)]
    texts = [None if each is None else str(each) for each in settings]
    return Parameter.of(ARGUMENT_FIELD + name.removeprefix("--"), texts)


def _settings(name: str, node: Node, check: Callable[[str, Node], Any]) -> list[Any]:
    """The settings that a list, a range or a single value stands for."""
    if node.is_mapping:
        values = _range(name, node)
        for value in values[:1] + values[-1:]:
            check(name, replace(node, computed=value))
        return values
    elements = node.elements() if node.is_list else [node]
    if not elements:
        raise node.error(f"{name}: no values to choose from; list at least one, such as [1, 2]")
    settings: list[Any] = []
    seen: set[str] = set()
    for element in elements:
        setting = check(name, element)
        code = repr(encode(name, setting))
        if code in seen:
            raise element.error(f"{name}: {element.value!r} is there twice; remove one")
        seen.add(code)
        settings.append(setting)
    return settings


def _range(name: str, node: Node) -> list[int]:
    """The numbers of ``{low, high, step, scale, refine}``."""
    parts: dict[str, Node] = {}
    for key, key_node, value in node.items():
        if key not in _RANGE_KEYS:
            hint = suggestion(key, _RANGE_KEYS) or f"; use {', '.join(_RANGE_KEYS)}"
            raise key_node.error(f"{name}: unknown key {key!r}{hint}")
        if key != "scale" and type(value.value) is not int:
            raise value.error(f"{name}: {key} must be a whole number, found {value.value!r}; use a list for others")
        parts[key] = value
    for key in ("low", "high"):
        if key not in parts:
            raise node.error(
                f"{name}: a range needs low and high, {key} is missing; write {{low: 1, high: 4}} or a list"
            )
    low, high = parts["low"].value, parts["high"].value
    if low > high:
        raise parts["low"].error(f"{name}: low {low} is above high {high}; swap them")
    scale = parts["scale"].value if "scale" in parts else "linear"
    if scale == "log2":
        return _powers_of_two(name, parts)
    if "refine" in parts:
        raise parts["refine"].error(f"{name}: only scale log2 is refined; add scale: log2 or remove refine")
    if scale != "linear":
        raise parts["scale"].error(f"{name}: unknown scale {scale!r}; use linear or log2")
    step = parts["step"].value if "step" in parts else 1
    if step < 1:
        raise parts["step"].error(f"{name}: step {step} is below 1; write a positive step")
    if (high - low) // step >= _MOST_CHOICES:
        raise node.error(f"{name}: more than {_MOST_CHOICES} values; add a larger step, or scale: log2")
    return list(range(low, high + 1, step))


def _powers_of_two(name: str, parts: dict[str, Node]) -> list[int]:
    if "step" in parts:
        raise parts["step"].error(f"{name}: scale log2 takes no step; remove it")
    for key in ("low", "high"):
        number = parts[key].value
        if not is_power_of_two(number):
            raise parts[key].error(f"{name}: {key} {number} is not a power of two; scale log2 needs 1, 2, 4, ...")
    low, high = parts["low"].value, parts["high"].value
    powers = [1 << exponent for exponent in range(low.bit_length() - 1, high.bit_length())]
    if "refine" not in parts:
        return powers
    step = parts["refine"].value
    if step > 0 and high // step > _MOST_CHOICES:
        raise parts["refine"].error(f"{name}: refine {step} adds more than {_MOST_CHOICES} values; write a larger one")
    multiples = range(step, high, step) if step > 0 else range(0)
    between = [number for number in multiples if number > low and not is_power_of_two(number)]
    if not between:
        raise parts["refine"].error(
            f"{name}: no multiple of {step} lies between powers of two from {low} to {high}; "
            "write another step, or remove refine"
        )
    return sorted(powers + between)


def _between(name: str, node: Node) -> frozenset[int]:
    """The refined values of a range: those between its powers of two."""
    refined = node.is_mapping and any(key == "refine" for key, _, _ in node.items())
    return frozenset(number for number in _range(name, node) if not is_power_of_two(number)) if refined else frozenset()


def _whole_number(least: int) -> Callable[[str, Node], int]:
    def check(name: str, node: Node) -> int:
        value = node.value
        if type(value) is not int:
            raise node.error(f"{name}: expected a whole number, found {value!r}; write one such as {max(least, 4)}")
        if value < least:
            raise node.error(f"{name}: {value} is below {least}; write {least} or more")
        if value >= 2**31:
            raise node.error(f"{name}: {value} is too large; write less than {2**31}")
        return value

    return check


def _switch(name: str, node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise node.error(f"{name}: expected true or false, found {node.value!r}; write [true, false]")
    return node.value


def _preferred(name: str, node: Node) -> tuple[int, ...]:
    value = node.value
    if value is None or value == NO_PREFERENCE:
        return ()
    sizes = value if isinstance(value, list) else [value]
    if not sizes or any(type(size) is not int or size < 1 for size in sizes):
        raise node.error(f"{name}: expected none or a list of batch sizes, found {value!r}; write [none, [4], [4, 8]]")
    if len(set(sizes)) < len(sizes):
        raise node.error(f"{name}: {value!r} has a size twice; remove one")
    return tuple(sorted(sizes))


def _kind(name: str, node: Node) -> str:
    value = node.value
    if value not in _KINDS:
        hint = suggestion(str(value), _KINDS) or f"; use one of {', '.join(_KINDS)}"
        raise node.error(f"{name}: unknown kind {value!r}{hint}")
    return str(value)


_CHECKS: dict[str, Callable[[str, Node], Any]] = {
    MAX_BATCH_SIZE: _whole_number(1),
    DYNAMIC_BATCHING: _switch,
    QUEUE_DELAY: _whole_number(0),
    PREFERRED: _preferred,
    INSTANCE_COUNT: _whole_number(1),
    INSTANCE_KIND: _kind,
}
