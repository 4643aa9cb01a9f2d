"""Whether a response has the outputs that the model's metadata declare.

Triton passes on what a Python model returns: a response without an output, or without any, is a success to it (2.51,
HTTP and gRPC alike).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from autotune.reading import parse_json

MISSING = "missing output"
"""The kind under which such a response is counted as failed."""

KEPT_BYTES = 16384
"""Of a response's beginning, where its outputs are described; a longer description is not checked. A guess: a hundred
outputs take as much."""


def declared_outputs(metadata: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, ...]:
    """The outputs that each response must have; none of a decoupled model, whose responses may be empty.

    Args:
        metadata: The model's metadata, ``/v2/models/M``.
        config: Its complete config, ``/v2/models/M/config``.
    """
    if config.get("model_transaction_policy", {}).get("decoupled"):
        return ()
    return tuple(str(each["name"]) for each in metadata.get("outputs", ()))


def missing_in_http(declared: Sequence[str], body: bytes, header_bytes: int | None) -> str:
    """What is wrong with a response, in words; empty if nothing is, or if its beginning does not show it.

    Args:
        declared: The outputs that it must have.
        body: Its body, or the beginning of it.
        header_bytes: Length of the JSON that the body begins with; None if it is all JSON.
    """
    try:
        outputs = parse_json(body[:header_bytes]).get("outputs", ())
        found = {output["name"] for output in outputs}
    except (ValueError, AttributeError, KeyError, TypeError):
        return ""
    return words_for(declared, found)


def words_for(declared: Sequence[str], found: Collection[str]) -> str:
    """Which declared outputs were not found, in words; empty if all were."""
    missing = [name for name in declared if name not in found]
    names = ", ".join(map(repr, missing))
    return (
        f"the response lacks output{'s' if len(missing) > 1 else ''} {names} of the model's config" if missing else ""
    )
