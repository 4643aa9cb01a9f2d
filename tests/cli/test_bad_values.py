"""Bad values of every option: kinds by the option's type, options and commands from the requests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from refusals import MODULES, Place, command_options, refused

from autotune.request import Option

_LONG = "n" * 5000
_MEANINGLESS = ("", _LONG, "a\nb", "a\0b")
_NUMBERS = ("nan", "inf", "1e400", "-1", "1" + "0" * 30, "", "\uff11\uff12", "three", "9" * 5000)
_DURATIONS = (
    "nan",
    "infs",
    "1e400s",
    "-1s",
    "1" + "0" * 30 + "s",
    "",
    "\uff15ms",
    "9" * 5000 + "s",
    "5",
    "0s",
    "9999999h",
)
_SIZES = ("nan", "inf", "1e400", "-1", "1" + "0" * 30 + "g", "", "\uff15g", "4x", "9" * 5000, "0")
_SWEEPS = (*_NUMBERS, "1:1" + "0" * 30, "2:1", "1:2:3:4", "1:9:1e-400", "1,,2")
_FILES = ("{}/pipe", "{}/loop", "{}/dir", "{}/binary", "{}/huge", "{}/missing", "{}/loop/x", "{}/pipe/x")
_DEVICES = ("/dev/zero", "{}/" + "n" * 300)
_LINKS = ("{}/loop", "{}/loop/x", "{}/" + "n" * 300)
_DIRECTORIES = (*_LINKS, "{}/pipe", "{}/binary", "/dev/zero")
_URLS = ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "http://me:secret@nowhere.invalid:80", "me:secret@host/db")

# Text that says nothing wrong by itself, or something else than the kind of its option.
_ANY_TEXT = ("--triton-arg", "--image", "--study", "--model", "--composing-models", "STUDY", "--from-perf-analyzer")
_WRITTEN = ("--output", "--record", "--junit", "PATH", "--to")
_SHOWN_ONLY = ("clean", "doctor", "studies list")  # they show what they find, and that is a fault of no flag


def _kinds(command: str, option: Option) -> Sequence[str]:  # noqa: PLR0911 - one return for each type
    """Bad values for an option, ``{}`` for the directory with the bad places."""
    meta, flag = option.metavar, option.flag
    if option.type is bool:
        return ()
    if "DURATION" in meta:
        return _DURATIONS
    if meta == "SIZE":
        return _SIZES
    if meta.startswith(("N|", "R|")):
        return _SWEEPS
    if option.type in (int, float) or meta in ("PERCENT", "CPUS"):
        return _NUMBERS
    if flag in _WRITTEN or meta == "PATH":
        return (*_MEANINGLESS, *_LINKS)
    if flag == "--other-results":  # the first study is looked for first
        return (*_MEANINGLESS, *_LINKS)
    if meta == "DIR":
        return (*_MEANINGLESS, *(_LINKS if command in _SHOWN_ONLY else _DIRECTORIES))
    if "FILE" in meta or "PATH" in meta or meta == "CONFIG...":
        return (*_MEANINGLESS, *(_LINKS if command in _SHOWN_ONLY else (*_FILES, *_DEVICES)))
    if meta == "URL":
        return (*_MEANINGLESS, *_URLS, "::", "-1", "../up")
    if "|" in meta and flag not in _ANY_TEXT:
        return (*_MEANINGLESS, "nonsense")
    return _MEANINGLESS


def _rows() -> Iterator[object]:
    """Every kind for an option where it is first seen, and one for the same option of a further command."""
    seen: set[tuple[str, str]] = set()
    for command in MODULES:
        for option in command_options(command).values():
            kinds = _kinds(command, option)
            known = (option.flag, option.metavar) in seen and command not in _SHOWN_ONLY
            seen.add((option.flag, option.metavar))
            for kind in kinds[-1:] if known else kinds:
                shown = ascii(kind[:20]) if len(kind) < 40 else f"{kind[:8]!a} x{len(kind)}"
                yield pytest.param(command, option, kind, id=f"{command} {option.flag} {shown}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("bad"))


ROWS = list(_rows())


def test_table_has_the_rows_that_were_promised() -> None:
    assert len(ROWS) >= 314


@pytest.mark.parametrize(("command", "option", "kind"), ROWS)
def test_bad_value(place: Place, monkeypatch: pytest.MonkeyPatch, command: str, option: Option, kind: str) -> None:
    value = kind.format(place.root) if kind.startswith("{}") else kind
    before = ("first",) if option.name == "second" else ()
    words = place.command(command, *(("--", *before, value) if option.argument else (f"{option.flag}={value}",)))
    if command == "compare" and not option.argument:
        words += ["--", str(place.root / "other.pbtxt")]
    if command == "studies diff" and not option.argument:
        words += ["--", "first", "second"]
    refused(place, words, monkeypatch, names=option.metavar.strip(".") if option.argument else option.flag)


@pytest.mark.parametrize("kind", [*_FILES, *_DEVICES])
def test_bad_config_file(place: Place, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    refused(place, place.command("run", f"--config={kind.format(place.root)}"), monkeypatch, names="--config: ")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["run", "--p99", "1" + "0" * 30 + "s"], "--p99: "),
        (["run", "--p99", "5ms", "--search-space", "/dev/zero"], "--search-space: "),
        (["measure", "--trace", "{}/pipe"], "--trace: "),
        (["compare", "{}/loop"], "CONFIG: "),
    ],
)
def test_bad_value_in_a_process_of_its_own(place: Place, words: list[str], names: str) -> None:
    words = [word.format(place.root) for word in words]
    where = ["--model-repository", str(place.root / "models"), "--results", str(place.root / "results")]
    line = [sys.executable, "-m", "autotune", *words, *where, "--launch", "embedded"]
    before = place.files()
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=Path.cwd())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.startswith(f"autotune: {names}")
    assert place.files() == before
