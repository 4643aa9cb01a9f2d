"""The YAML file of an experiment: named variants, loads, clients, and what to print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import UsageError
from autotune.reading import Unreadable, read_text
from autotune.repository import suggestion
from autotune.request._measure import MeasureRequest
from autotune.request._option import Option, options_of
from autotune.space import parse_document

if TYPE_CHECKING:
    from autotune.space import Node

_MODEL = ("model", "model_repository", "composing_models")
_DATA = ("shape", "input_data", "payloads", "sequence_length", "num_of_sequences")
_LOADS = (
    *("scenario", "concurrency", "rate", "arrivals", "trace", "trace_format", "trace_unit", "batch_size"),
    *("duration", "warm_up", "window", "confidence", "certify_time", "max_concurrency", "time_budget", "seed"),
)
_CLIENT = ("protocol", "shared_memory", "streaming", "client", "perf_analyzer", "client_time")
_SLO = ("p99", "p95", "p90", "avg", "ttfr_p99", "ceiling", "load")
_OPTIONS = {"config": "model_config"}  # keys that are not called like their option
_PATHS = {"model_repository", "trace", "perf_analyzer", "model_config"}
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
_INDEX = re.compile(r"\.(\d+)(?=\.|$)")
_SECTIONS = (
    *("name", "about", *_MODEL, "variants", "clients", "loads", "data", "slo"),
    *("rounds", "verdict", "print", "columns"),
)


@dataclass(frozen=True)
class Given:
    """One option as the file gives it.

    Attributes:
        value: Its value for the request.
        key: Its place, such as ``loads.concurrency``.
        node: Where it stands, for errors.
    """

    value: Any
    key: str
    node: Node


@dataclass(frozen=True)
class Change:
    """One field that a variant changes.

    Attributes:
        model: The model whose config it is of; empty for the model that gets the requests.
        path: The field, such as ``instance_group[0].count``.
        value: Its value; None removes the field.
        node: Where it stands, for errors.
    """

    model: str
    path: str
    value: Any
    node: Node

    def __str__(self) -> str:
        where = f"{self.model}/{self.path}" if self.model else self.path
        return f"{where}: {'removed' if self.value is None else _written(self.value)}"


@dataclass(frozen=True)
class Part:
    """A variant or a client.

    Attributes:
        name: Unique among its kind.
        options: What it gives, by the option's name.
        changes: The fields that a variant changes.
    """

    name: str
    options: Mapping[str, Given]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class ExperimentFile:
    """An experiment as its file describes it.

    Attributes:
        name: Its name, also of its results' directory.
        about: What it is about, a sentence or two; may be empty.
        path: The file.
        options: What all variants and clients share, by the option's name.
        variants: What is compared.
        clients: How each variant is asked; one without a name if the file has none.
        rounds: How often each variant is measured, on a fresh server each time.
        verdict: What decides: ``throughput``, a latency statistic, or ``none``; None for what the load suggests.
        printed: The formats to print.
        columns: The columns of the tables; None for those of each format.
        places: The sections that were given, for errors.
    """

    name: str
    about: str
    path: Path
    options: Mapping[str, Given]
    variants: tuple[Part, ...]
    clients: tuple[Part, ...]
    rounds: int = 3
    verdict: str | None = None
    printed: tuple[str, ...] = ("table",)
    columns: tuple[str, ...] | None = None
    places: Mapping[str, Node] = field(default_factory=dict)

    def error(self, section: str, message: str) -> UsageError:
        """An error at a section that was given."""
        return self.places[section].error(f"{section}: {message}")


def read_experiment(path: Path) -> ExperimentFile:
    """Reads an experiment file.

    Raises:
        UsageError: It cannot be read, or something in it is wrong; names the line and the key.
    """
    try:
        text = read_text(path)
    except Unreadable as error:
        raise UsageError(f"FILE: cannot read {path}: {error}; name an experiment file") from None
    root = parse_document(text, str(path), "variants and loads, as the files in examples/ have them")
    if not root.is_mapping:
        raise root.error("expected 'variants:' and 'loads:' at the top, as the files in examples/ have them")
    places: dict[str, Node] = {}
    for key, node, body in root.items():
        if key not in _SECTIONS:
            raise node.error(f"unknown key {key!r}{suggestion(key, _SECTIONS) or _one_of(_SECTIONS)}")
        places[key] = body
    reader = _Reader(path.parent)
    options = reader.options("", {key: places[key] for key in _MODEL if key in places}, _MODEL)
    for section, names in (("loads", _LOADS), ("data", _DATA), ("slo", _SLO)):
        if section in places:
            options |= reader.options(section, _entries(places[section], section), names)
    if "variants" not in places:
        raise root.error("variants: is missing; name at least one, such as 'variants: {plain: {}}'")
    variants = tuple(reader.variants(places["variants"]))
    clients = tuple(reader.clients(places["clients"])) if "clients" in places else (Part("", {}),)
    settings: dict[str, Any] = {}
    if "rounds" in places:
        settings["rounds"] = _rounds(places["rounds"])
    if "verdict" in places:
        settings["verdict"] = _single(places["verdict"], "verdict")
    for section, name in (("print", "printed"), ("columns", "columns")):
        if section in places:
            settings[name] = tuple(_texts(places[section], section))
    name = _single(places["name"], "name") if "name" in places else _default_name(path)
    if not _NAME.fullmatch(name):
        raise places.get("name", root).error(f"name: {name!r} is no name of a directory; use letters, digits, -, _")
    about = " ".join(_single(places["about"], "about").split()) if "about" in places else ""
    return ExperimentFile(name, about, path, options, variants, clients, places=places, **settings)


@dataclass(frozen=True)
class _Reader:
    """Reads options; paths are relative to the file's directory."""

    directory: Path

    def options(self, section: str, entries: Mapping[str, Node], names: Sequence[str]) -> dict[str, Given]:
        known = options_of(MeasureRequest)
        found: dict[str, Given] = {}
        for written, node in entries.items():
            name, key = written.replace("-", "_"), f"{section}.{written}" if section else written
            if name not in names:
                raise node.error(f"{key}: is unknown{suggestion(name, names) or _one_of(names)}")
            name = _OPTIONS.get(name, name)
            found[name] = Given(self._value(known[name], key, node), key, node)
        return found

    def _value(self, option: Option, key: str, node: Node) -> Any:
        if option.repeatable:
            return [self._path(option.name, text) for text in _texts(node, key)]
        text = ",".join(_texts(node, key)) if node.is_list and option.type is str else _single(node, key)
        try:
            if option.type is bool:
                value: Any = {"true": True, "false": False}[text.lower()]
            else:
                value = option.type(self._path(option.name, text))
            option.check(value)
        except (KeyError, ValueError) as error:
            kinds = {bool: "true or false", int: "a whole number", float: "a number"}
            raise node.error(f"{key}: expected {kinds[option.type]}, found {text!r}") from error
        except UsageError as error:
            raise node.error(f"{key}: {str(error).removeprefix(f'{option.flag}: ')}") from error
        return value

    def _path(self, name: str, text: str) -> str:
        from autotune.load import GENERATED

        if name in _PATHS or (name == "input_data" and text not in GENERATED):
            return str(self.directory / text)
        return text

    def variants(self, node: Node) -> Iterator[Part]:
        for name, entries in _named(node, "variants"):
            section = f"variants.{name}"
            changes = entries.pop("changes", None)
            options = self.options(section, entries, (*_MODEL, *_DATA, "config"))
            yield Part(name, options, tuple(_changes(changes, f"{section}.changes")) if changes else ())

    def clients(self, node: Node) -> Iterator[Part]:
        for name, entries in _named(node, "clients"):
            yield Part(name, self.options(f"clients.{name}", entries, _CLIENT))


def _named(node: Node, section: str) -> Iterator[tuple[str, dict[str, Node]]]:
    parts = _entries(node, section)
    if not parts:
        raise node.error(f"{section}: names nothing; name at least one")
    for name, body in parts.items():
        if not _NAME.fullmatch(name):
            raise body.error(f"{section}: {name!r} is no name; use letters, digits, '-', '_', '.' and '+'")
        yield name, _entries(body, f"{section}.{name}")


def _entries(node: Node, section: str) -> dict[str, Node]:
    if node.is_single and node.value is None:
        return {}
    if not node.is_mapping:
        raise node.error(f"{section}: expected 'name: value' lines, found {_shown(node)}")
    return {key: body for key, _, body in node.items()}


def _changes(node: Node, section: str) -> Iterator[Change]:
    for written, body in _entries(node, section).items():
        model, _, path = written.rpartition("/")
        yield Change(model, _INDEX.sub(r"[\1]", path), body.value, body)


def _rounds(node: Node) -> int:
    if type(node.value) is not int or node.value < 1:
        raise node.error(f"rounds: expected a whole number from 1, found {_shown(node)}")
    return int(node.value)


def _single(node: Node, key: str) -> str:
    if not node.is_single:
        raise node.error(f"{key}: expected one value, found {_shown(node)}")
    if node.value is None:
        raise node.error(f"{key}: has no value; give one, or drop the line")
    return node.text


def _texts(node: Node, key: str) -> list[str]:
    return [_single(each, key) for each in (node.elements() if node.is_list else [node])]


def _shown(node: Node) -> str:
    if node.is_single:
        return repr(node.text)
    return "a list" if node.is_list else "a mapping"


def _one_of(names: Sequence[str]) -> str:
    return f"; use one of {', '.join(names)}"


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default_name(path: Path) -> str:
    """The file's name; that of its directory if the file is just called experiment."""
    return path.absolute().parent.name if path.stem == "experiment" else path.stem
