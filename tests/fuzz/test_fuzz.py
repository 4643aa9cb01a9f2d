"""Random input for everything that is read from outside; ``make fuzz`` tries more of it.

A reader may refuse what it gets with its own error and nothing else. What was found this way has a plain test.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

hypothesis = pytest.importorskip("hypothesis")

from fuzz_targets import TARGETS  # noqa: E402

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "800"))  # over all targets


@pytest.mark.parametrize("name", TARGETS)
def test_input_from_outside_is_read_or_refused(name: str, tmp_path: Path) -> None:
    target, file = TARGETS[name], tmp_path / "input"

    @hypothesis.settings(
        max_examples=max(1, EXAMPLES // len(TARGETS)),
        deadline=None,
        database=None,
        derandomize="FUZZ_EXAMPLES" not in os.environ,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=True,
    )
    @hypothesis.given(target.inputs)
    def read(given: object) -> None:
        with contextlib.suppress(*target.errors):
            target.read(given, file)

    read()
