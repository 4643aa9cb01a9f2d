"""perf_analyzer's messages when it gives up, as failed requests of known kinds.

It ends at the first failure of each of its threads and exports nothing then.
"""

from __future__ import annotations

import re

_FAILED_REQUEST = re.compile(r"^Thread \[\d+\] had error: (?P<text>.*)$", re.MULTILINE)
_FAILED_QUESTION = re.compile(r"^error: (?P<text>failed to get .*)$", re.MULTILINE)
_REQUEST_ID = re.compile(r"^\[request id: [^]]*\] ")
_NOTHING_COMPLETED = "No valid requests recorded within time interval"
# Of libcurl and gRPC. What is in no list is an answer of the server in its own words.
_KINDS = (
    ("refused", ("Couldn't connect", "Could not connect", "Connection refused", "failed to connect")),
    (
        "reset",
        (
            "reset by peer",
            "Socket closed",
            "Broken pipe",
            "rewinding of the data stream",
            "receiving data from the peer",
            "sending data to the peer",
            "Server returned nothing",
            "The document is empty",
            "UNAVAILABLE",
        ),
    ),
    ("timeout", ("Deadline Exceeded", "Timeout was reached")),
)


def failures(stderr: str, protocol: str) -> list[tuple[str, str]]:
    """Each failed request's kind and perf_analyzer's words; none if it did not end because of the server.

    ``refused``, ``reset``, ``timeout``, or ``http error`` and ``grpc error`` for what the server refused:
    perf_analyzer does not report its status code.
    """
    texts = [match["text"] for match in _FAILED_REQUEST.finditer(stderr)]
    texts = texts or [match["text"] for match in _FAILED_QUESTION.finditer(stderr)][:1]
    return [(_kind(text, protocol), _REQUEST_ID.sub("", text.strip())) for text in texts]


def nothing_completed(stderr: str) -> bool:
    """Whether a window passed without any request being answered."""
    return _NOTHING_COMPLETED in stderr


def last_words(stderr: str, stdout: str) -> str:
    """The most informative line about a failure of perf_analyzer itself, at most 300 characters."""
    for text in (stderr, stdout):
        # A wrong command line is answered with one line, then with the whole manual.
        lines = [line.strip() for line in text.partition("Usage: ")[0].splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")]
        if lines:
            return (errors[0] if errors else lines[-1])[:300]
    return "it printed nothing"


def _kind(text: str, protocol: str) -> str:
    lowered = text.lower()
    for kind, signs in _KINDS:
        if any(sign.lower() in lowered for sign in signs):
            return kind
    return f"{protocol} error"
