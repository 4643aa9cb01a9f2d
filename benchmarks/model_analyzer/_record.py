"""The JSON record of a comparison, and Model Analyzer's searches out of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.model_analyzer._ours import NAME as OURS
from benchmarks.model_analyzer._referee import Sweep
from benchmarks.model_analyzer._search import Search


def write_record(
    path: Path | None, settings: Mapping[str, Any], searches: Sequence[Search], sweeps: Mapping[str, Sequence[Sweep]]
) -> None:
    """Writes what was compared, and every search and sweep, where a path is given."""
    if path is None:
        return
    record = {
        **settings,
        "searches": [asdict(search) for search in searches],
        "sweeps": {name: [asdict(sweep) for sweep in each] for name, each in sweeps.items()},
    }
    path.write_text(json.dumps(record, indent=1) + "\n")


def recorded_peers(path: Path, model: str, ceiling_ms: int) -> list[Search]:
    """Model Analyzer's searches of an earlier record.

    Raises:
        SystemExit: It is of another model or ceiling.
    """
    record = json.loads(path.read_text())
    if (record["model"], record["ceiling_ms"]) != (model, ceiling_ms):
        raise SystemExit(f"--recorded: {path} is of {record['model']} with p99 at most {record['ceiling_ms']} ms")
    found = [Search(**each) for each in record["searches"]]
    return [replace(each, recorded=True) for each in found if each.name != OURS]
