"""Extracts from a log, in one line, why a server did not start or ended."""

from __future__ import annotations

import re
import signal

_FAILED_VERSION = re.compile(r"failed to load '[^']*' version \d+: (?P<reason>.*?)\"?$", re.MULTILINE)
_POLL_FAILED = re.compile(r"Poll failed for model directory '[^']*': (?P<reason>.*?)\"?$", re.MULTILINE)
_PARSE_ERROR = re.compile(r"Error parsing text-format inference\.ModelConfig: (?P<reason>.*)$", re.MULTILINE)
_CREATING = re.compile(r"^error: creating server: (?P<reason>.*)$", re.MULTILINE)
_ERROR_LINE = re.compile(r"^E\d{4} [\d:.]+ \d+ \S+\] \"?(?P<reason>.*?)\"?$", re.MULTILINE)
_USAGE = "Usage: tritonserver"
_REFUSED_ARGUMENT = re.compile(
    r"(unrecognized option|option '.*' (is ambiguous|requires an argument|doesn't allow an argument)"
    r"|Invalid option value|Bad option|invalid argument for).*"
)
_PLACE = re.compile(r"^\s+(?P<file>\S+)\((?P<line>\d+)\): (?P<function>\S+)", re.MULTILINE)
_CLASH = re.compile(r"already in use|address in use|failed to start (HTTP|GRPC)|Failed to bind|\bbind\b", re.IGNORECASE)
# Every server without a GPU logs these.
_NOISE = ("CudaDriverHelper has not been initialized", "NVML", "DCGM")
_NOT_TELLING = re.compile(r"I\d{4} [\d:.]+ |[+|]|\d+# ")  # informative lines of Triton, tables, stack frames
_LONGEST = 600


def load_reason(log: str) -> str:
    """Triton's most specific message about a failed load; empty if there is none."""
    parse_error = _PARSE_ERROR.search(log)
    if parse_error:
        return f"config.pbtxt does not parse: {compact(parse_error['reason'])}"
    for pattern in (_FAILED_VERSION, _POLL_FAILED, _CREATING):
        match = pattern.search(log)
        if match:
            return compact(match["reason"])
    for match in _ERROR_LINE.finditer(log):
        if not any(noise in match["reason"] for noise in _NOISE):
            return compact(match["reason"])
    return ""


def refused_argument(log: str) -> str:
    """Triton's message about a refused command line; empty if there is none."""
    if _USAGE not in log:
        return ""
    match = _REFUSED_ARGUMENT.search(log)
    return compact(match[0]) if match else last_words(log)


def ports_clashed(log: str) -> bool:
    """Whether the server ended because a port was in use."""
    return _CLASH.search(load_reason(log) or last_words(log)) is not None


def last_words(log: str) -> str:
    """The last line of a log that is no table, no stack frame, no noise and not merely informative."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if not _NOT_TELLING.match(line) and not any(noise in line for noise in _NOISE)]
    if telling:
        return compact(telling[-1])
    return "its log does not say why" if lines else "its log is empty"


def compact(text: str) -> str:
    """The text in one line: escapes decoded, a Python traceback reduced to its last frame."""
    text = text.replace("\\n", "\n").replace('\\"', '"')
    head, _, trace = text.partition("\nAt:\n")
    place = _PLACE.search(trace)
    line = " ".join(head.split()).rstrip(";").strip()
    if place:
        file = place["file"].rsplit("/", 1)[-1]
        line += f" ({file} line {place['line']}, {place['function']})"
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def exit_text(returncode: int) -> str:
    """``exit code 1``, or the signal's name."""
    # A shell or container reports a signal as 128 + number.
    number = -returncode if returncode < 0 else returncode - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {returncode}"
    return name
