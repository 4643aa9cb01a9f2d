"""Bad content of every file that a person gives: kinds by the file's format, and wrong types of every option."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from refusals import CONFIG, Place, command_options, refused

_DEEP = 20_000
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
_ANY = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00a: 1",
    "NUL": b"a: \0",
    "large": b"# " + b"x" * (2 << 20),
}
_YAML = {
    **_ANY,
    "deep list": b"a: " + b"[" * _DEEP,
    "deep mapping": b"{" * _DEEP,
    "deep blocks": b"".join(b" " * level + b"a:\n" for level in range(500)),
    "alias bomb": _BOMB.encode(),
    "alias of itself": b"a: &a [*a]\n",
    "unknown alias": b"a: *b\n",
    "Python object": b"a: !!python/object/apply:os.getcwd []\n",
    "number of 5,000 digits": b"a: " + b"9" * 5000,
    "list": b"- a\n",
    "word": b"word\n",
    "list as key": b"? [a]\n: b\n",
    "tab": b"a:\n\t- b\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "unknown key": b"parametres: {instance_count: [1]}\n",
}
_SPACES = {
    "parameter that is no mapping": b"parameters: 3\n",
    "null in a list": b"parameters: {instance_count: [null]}\n",
    "infinite count": b"parameters: {instance_count: [.inf]}\n",
    "huge count": b"parameters: {instance_count: [1" + b"0" * 30 + b"]}\n",
    "negative count": b"parameters: {instance_count: [-1]}\n",
    "text as count": b"parameters: {instance_count: [two]}\n",
    "unlimited range": b"parameters: {instance_count: {low: 1, high: 1" + b"0" * 30 + b"}}\n",
    "unlimited powers": b"parameters: {max_batch_size: {low: 1, high: 1" + b"0" * 30 + b", scale: log2}}\n",
    "range of floats": b"parameters: {instance_count: {low: 1.5, high: 2}}\n",
    "step 0": b"parameters: {instance_count: {low: 1, high: 2, step: 0}}\n",
    "field of a wrong type": b"fields: {optimization.graph.level: [[1]]}\n",
    "huge field": b"fields: {optimization.graph.level: [1" + b"0" * 30 + b"]}\n",
    "path of 5,000 characters": b"fields: {" + b"a." * 2500 + b"a: [1]}\n",
    "huge index": b"fields: {'instance_group[1" + b"0" * 30 + b"].count': [1]}\n",
    "date": b"parameters: {instance_count: [2020-01-01]}\n",
    "delay of -1": b"parameters: {max_queue_delay_microseconds: [-1]}\n",
    "switch that is a word": b"parameters: {dynamic_batching: [maybe]}\n",
}
_ANALYZER = b"profile_models: [net]\nconstraints: {perf_latency_p99: {max: 5}}\n"
_ANALYZERS = {
    "no model": b"profile_models: []\n",
    "trials that are a word": _ANALYZER + b"optuna_max_trials: lots\n",
    "trials without bound": _ANALYZER + b"optuna_max_trials: 1" + b"0" * 30 + b"\n",
    "negative trials": _ANALYZER + b"optuna_max_trials: -1\n",
    "image that is a list": _ANALYZER + b"triton_launch_mode: docker\ntriton_docker_image: [a]\n",
    "latency that is a mapping": b"profile_models: net\nlatency_budget: {a: 1}\n",
    "latency that is infinite": b"profile_models: net\nlatency_budget: .inf\n",
    "rate that is a word": b"profile_models: net\nobjectives: [perf_latency_p99]\n"
    b"constraints: {perf_throughput: {min: lots}}\n",
    "instances that are words": _ANALYZER + b"model_config_parameters: {instance_group: [{count: [lots]}]}\n",
    "batch size that is a mapping": _ANALYZER + b"model_config_parameters: {max_batch_size: {a: 1}}\n",
    "protocol that is a list": _ANALYZER + b"client_protocol: [http]\n",
    "repository that is a list": _ANALYZER + b"model_repository: [a]\n",
    "batch bounds that are words": _ANALYZER + b"run_config_search_max_model_batch_size: lots\n",
    "batch bounds without bound": _ANALYZER + b"run_config_search_max_model_batch_size: 1" + b"0" * 30 + b"\n",
    "instances without bound": _ANALYZER + b"run_config_search_max_instance_count: 1" + b"0" * 30 + b"\n",
    "endpoint with a password": _ANALYZER
    + b"triton_launch_mode: remote\ntriton_http_endpoint: 'http://me:secret@127.0.0.1:1'\n",
}
_CONFIGS = {
    "deep": b"unknown " + b"{ a " * _DEEP,
    "deep list": b"unknown: " + b"[" * _DEEP,
    "not UTF-8": b"\xff",
    "huge number": b"max_batch_size: 1" + b"0" * 5000,
    "negative batch": b"max_batch_size: 8 input { dims: [ 1e400 ] }",
    "word": b"max_batch_size: lots",
    "open string": b'name: "net',
    "bad escape": b'name: "\\400\\xzz"',
    "NUL": b"name: \0",
    "unknown enum": b"input { data_type: TYPE_FP23 }",
    "wrong type": b"input: 3",
    "near name": b"max_batch_sizes: }",
    "large": b"# " + b"x" * (2 << 20),
    "other model": b'name: "another"',
}
_JSONS = {
    **_ANY,
    "deep list": b"[" * _DEEP,
    "deep object": b'{"a":' * _DEEP,
    "number of 5,000 digits": b"[" + b"9" * 5000 + b"]",
    "list": b"[]",
    "number": b"3",
    "null": b"null",
    "wrong types": b'{"fastest": 1, "configs": 2, "data": 3}',
    "lists for objects": b'{"fastest": "a", "configs": [[]], "data": [3]}',
    "two documents": b"{} {}",
}
_TRACES = {
    **_ANY,
    "infinite": b"inf\n",
    "not a number": b"nan\n",
    "beyond floats": b"1e400\n",
    "negative": b"-1\n",
    "not in order": b"2\n1\n",
    "years": b"0\n1e30\n",
    "word of 5,000 characters": b"x" * 5000,
}
_FILES = {
    "--config": ("run", {**_YAML, "near name": b"trails: 3\n", "flag's own": b"config: a\n"}),
    "--search-space": ("run", {**_YAML, **_SPACES}),
    "--from-model-analyzer": ("run", {**_YAML, **_ANALYZERS}),
    "--model-config": ("measure", _CONFIGS),
    "--trace": ("measure", _TRACES),
    "--baseline": ("check", _JSONS),
    "--input-data": ("measure", _JSONS),
}
# What is no fault of the format at hand.
_FINE = {
    ("--config", "empty"),
    ("--model-config", "other model"),
    ("--trace", "large"),
    ("--baseline", "large"),
    ("--search-space", "number of 5,000 digits"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("bad"))


def _contents() -> Iterator[object]:
    for flag, (command, kinds) in _FILES.items():
        for kind, content in kinds.items():
            yield pytest.param(command, flag, content, id=f"{flag} {kind}")


@pytest.mark.parametrize(("command", "flag", "content"), list(_contents()))
def test_bad_content(place: Place, monkeypatch: pytest.MonkeyPatch, command: str, flag: str, content: bytes) -> None:
    file = place.root / "given"
    file.write_bytes(content)
    words = place.command(command, f"{flag}={file}")
    for other, key in (("--p99", b"latency"), ("--launch", b"triton"), ("--model-repository", b"model_repository")):
        if key in content:  # what is given on the command line wins
            del words[words.index(other) : words.index(other) + 2]
    line = refused(place, words, monkeypatch, names="")
    assert any(name in line for name in (str(file), flag, "--url"))


@pytest.mark.parametrize("kind", _CONFIGS)
@pytest.mark.parametrize("command", ["run", "compare"])
def test_bad_config_in_a_repository_or_a_comparison(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str, kind: str
) -> None:
    file = place.root / "other.pbtxt" if command == "compare" else place.root / "models" / "net" / "config.pbtxt"
    before = file.read_bytes()
    file.write_bytes(_CONFIGS[kind])
    try:
        words = [str(file)] if command == "compare" else []
        refused(place, [*place.command(command), *words], monkeypatch, names=str(file))
    finally:
        file.write_bytes(before)


_TYPES = {"mapping": "{a: 1}", "list of lists": "[[a]]", "null in a list": "[{a: null}]"}


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("option", [*command_options("run").values()], ids=lambda option: option.flag)
def test_wrong_type_of_an_option_in_a_config_file(place: Place, monkeypatch, option, kind: str) -> None:
    file = place.root / "autotune.yaml"
    key = option.flag.removeprefix("--")
    file.write_text(f"{key}: {_TYPES[kind]}\n")
    line = refused(place, place.command("run", f"--config={file}"), monkeypatch, names=f"--config: {file}: {key}: ")
    assert "found" in line


@pytest.mark.parametrize("option", [*command_options("measure").values()], ids=lambda option: option.flag)
def test_near_name_of_an_option_in_a_config_file(place: Place, monkeypatch, option) -> None:
    file = place.root / "autotune.yaml"
    key = option.flag.removeprefix("--")
    file.write_text(f"{key}x: 1\n")
    line = refused(place, place.command("measure", f"--config={file}"), monkeypatch, names=f"--config: {file}: ")
    assert "did you mean" in line
    assert f"{key!r}" in line


@pytest.mark.parametrize("command", ["studies list", "studies show", "report", "export", "run", "measure"])
@pytest.mark.parametrize("kind", ["directory", "pipe", "text", "loop", "other tables", "broken"])
def test_bad_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, kind: str) -> None:
    import os
    import sqlite3

    place = Place.make(tmp_path)
    file = tmp_path / "results" / "autotune.db"
    file.parent.mkdir()
    if kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "loop":
        file.symlink_to(file)
    elif kind == "other tables":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE someone (else_ INTEGER)")
        connection.close()
    else:
        file.write_bytes(b"SQLite format 3\0" * 200 if kind == "broken" else b"a string" * 200)
    refused(place, place.command(command), monkeypatch, names="--results: ")


def test_named_config_stays_readable(tmp_path: Path) -> None:
    """The fixture's own config is fine: what the tables refuse is refused for its fault."""
    from autotune.repository import ModelConfig

    assert ModelConfig.parse(CONFIG, "config.pbtxt").name == "net"
