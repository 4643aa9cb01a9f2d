"""A perf_analyzer command line in our options.

The flags are those of https://github.com/triton-inference-server/perf_analyzer/blob/main/docs/cli.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

from autotune.errors import UsageError
from autotune.request._translation import Translation

_MOST_DIGITS = 9
_SOURCE = "--from-perf-analyzer"
_PROGRAMS = ("perf_analyzer", "perf_client")
_ENDS = ("|", ">", ">>", "2>&1", "&&", ";", "&")
_LONG = {
    "-m": "--model-name",
    "-x": "--model-version",
    "-b": "--batch-size",
    "-i": "--protocol",
    "-u": "--url",
    "-p": "--measurement-interval",
    "-l": "--latency-threshold",
    "-r": "--max-trials",
    "-s": "--stability-percentage",
    "-f": "--latency-report-file",
    "-a": "--async",
    "-v": "--verbose",
    "-z": "--zero-input",
    "-t": "--concurrent-requests",
}
_SWITCHES = (
    *("--async", "--sync", "--streaming", "--verbose", "--verbose-csv", "--binary-search", "--collect-metrics"),
    *("--serial-sequences", "--enable-mpi", "--zero-input"),
)
_WITHOUT_COUNTERPART = {
    "--url": "autotune starts a server; for a running one add --launch remote --url HOST:HTTP_PORT",
    "--latency-threshold": "--p99 5ms judges each load",
    "--percentile": "p50, p90, p95 and p99 are always shown",
    "--latency-report-file": "--format csv prints the table",
    "--async": "the client is asynchronous",
    "--sync": "the client is asynchronous",
    "--max-trials": "each load has one window, --duration long",
    "--stability-percentage": "each load has one window, --duration long",
    "--serial-sequences": "a sequence has one request at a time",
    "--sequence-length-variation": "lengths vary by 20%",
    "--sequence-id-range": "ids are chosen so that no two clients share one",
    "--model-version": "the versions that the model's config selects are served",
}
_NOT_NEEDED = (("--service-kind", "triton"), ("--measurement-mode", "time_windows"), ("--shared-memory", "none"))


def read_perf_analyzer(line: str) -> Translation:
    """The options of ``autotune measure`` that measure what a perf_analyzer command line does.

    Raises:
        UsageError: It is no such command, or it says nothing that can be measured.
    """
    translation = Translation(_SOURCE)
    flags = list(_flags(_arguments(line)))
    translate_flags(flags, translation)
    options = translation.options
    if "rate" in options:  # theirs counts requests
        options["rate"] = _times(str(options["rate"]), int(options.get("batch_size", 1)))
        options.setdefault("arrivals", "constant")
    if "arrivals" in options and "rate" not in options:
        del options["arrivals"]
    return translation


def translate_flags(flags: Sequence[tuple[str, str]], translation: Translation) -> None:
    """Adds each flag, by its long name with its value, to the translation.

    Raises:
        UsageError: A value that cannot be read.
    """
    for flag, value in flags:
        translate = _TRANSLATED.get(flag)
        found = translate(flag, value) if translate else {}
        for name, each in found.items():
            if isinstance(each, list):
                translation.options[name] = [*translation.options.get(name, []), *each]
            else:
                translation.options[name] = each
        if not found and (flag, value.lower()) not in _NOT_NEEDED:
            why = _WITHOUT_COUNTERPART.get(flag)
            translation.left_out.append(f"{flag} {value}".rstrip() + (f" ({why})" if why else ""))


def _arguments(line: str) -> list[str]:
    try:
        words = shlex.split(line.replace("\\\n", " "))
    except ValueError as error:
        raise UsageError(f"{_SOURCE}: cannot be read: {str(error).lower()}; quote it as the shell needs it") from error
    starts = [place for place, word in enumerate(words) if PurePath(word).name in _PROGRAMS]
    if not starts:
        raise UsageError(f"{_SOURCE}: {line!r} is no command of perf_analyzer; paste 'perf_analyzer -m MODEL ...'")
    words = words[starts[0] + 1 :]
    end = next((place for place, word in enumerate(words) if word in _ENDS or word.startswith(">")), len(words))
    return words[:end]


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each flag by its long name, with its value; empty for a switch.

    Raises:
        UsageError: A word that belongs to no flag, or a flag without its value.
    """
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise UsageError(f"{_SOURCE}: {word!r} belongs to no flag; check the command")
        flag, assigned, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        flag = _LONG.get(flag, flag)
        if flag in _SWITCHES:
            yield flag, ""
        elif assigned:
            yield flag, value.removeprefix("=")
        elif rest and (not rest[0].startswith("-") or rest[0][1:2].isdigit()):
            yield flag, rest.pop(0)
        elif flag in _TRANSLATED or flag in _WITHOUT_COUNTERPART:
            raise UsageError(f"{_SOURCE}: {flag} has no value; add it")
        else:
            yield flag, ""


_Translate = Callable[[str, str], dict[str, object]]


def _named(name: str) -> _Translate:
    return lambda flag, value: {name: value}


def _listed(name: str) -> _Translate:
    return lambda flag, value: {name: [value]}


def _whole(flag: str, value: str) -> int:
    if not (value.isdecimal() and len(value) <= _MOST_DIGITS and int(value) >= 1):
        raise UsageError(f"{_SOURCE}: {flag} {value!r} is not a whole number above zero; correct it")
    return int(value)


def _range(name: str) -> _Translate:
    def translate(flag: str, value: str) -> dict[str, object]:
        _, colon, end = value.partition(":")
        if colon and end.partition(":")[0] in ("0", "0.0"):
            raise UsageError(
                f"{_SOURCE}: {flag} {value} has no end; write one, or find the sustainable rate with --p99 5ms alone"
            )
        return {name: value}

    return translate


def _shared_memory(flag: str, value: str) -> dict[str, object]:
    return {"shared_memory": value} if value == "system" else {}


def _callees(flag: str, value: str) -> dict[str, object]:
    """Names, without the versions that may follow them."""
    return {"composing_models": [name.partition(":")[0].strip() for name in value.split(",")]}


_TRANSLATED: dict[str, _Translate] = {
    "--model-name": _named("model"),
    "--model-repository": _named("model_repository"),
    "--batch-size": lambda flag, value: {"batch_size": _whole(flag, value)},
    "--protocol": lambda flag, value: {"protocol": value.lower()},
    "--concurrency-range": _range("concurrency"),
    "--request-rate-range": _range("rate"),
    "--request-distribution": _named("arrivals"),
    "--request-intervals": lambda flag, value: {"trace": value, "trace_format": "gaps", "trace_unit": "us"},
    "--measurement-interval": lambda flag, value: {"duration": f"{_whole(flag, value)}ms"},
    "--input-data": _listed("input_data"),
    "--zero-input": lambda flag, value: {"input_data": ["zero"]},
    "--shape": _listed("shape"),
    "--shared-memory": _shared_memory,
    "--sequence-length": lambda flag, value: {"sequence_length": _whole(flag, value)},
    "--num-of-sequences": lambda flag, value: {"num_of_sequences": _whole(flag, value)},
    "--streaming": lambda flag, value: {"streaming": True},
    "--bls-composing-models": _callees,
}


def _times(text: str, factor: int) -> str:
    """A range of rates, multiplied."""
    if factor == 1:
        return text
    try:
        return ":".join(f"{float(part) * factor:g}" for part in text.split(":"))
    except ValueError:
        raise UsageError(f"{_SOURCE}: --request-rate-range {text!r} is not a range of rates; correct it") from None
