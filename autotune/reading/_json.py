"""JSON with an error for documents that nest without end."""

from __future__ import annotations

import json
from typing import Any

NESTED_TOO_DEEPLY = "it is nested too deeply"


def parse_json(text: str | bytes) -> Any:
    """The document.

    Raises:
        ValueError: It is not JSON, nests too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(NESTED_TOO_DEEPLY) from None
