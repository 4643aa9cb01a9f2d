"""How long `autotune studies list` takes on 100 studies of 1,000 trials with 20,000 windows each.

Stores one such study, copies its rows for the others in SQL, and runs the command in processes of its own: the first
run reads every trial and keeps a line for each study, later ones read the lines. Times are also given as multiples of
`python -c "import autotune.cli"`, which depends on the machine in the same way.

    python -m benchmarks.study_list [--studies 100] [--trials 1000] [--windows 20] [--runs 5]
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.study_report import store_study

_IMPORT = [sys.executable, "-c", "import autotune.cli"]
_COPIED = {  # table to its column that refers to the row above
    "autotune_trial": "study_id",
    "autotune_trial_config": "trial_id",
    "autotune_measurement": "trial_id",
    "autotune_probe": "trial_id",
    "autotune_server_statistics": "probe_id",
}


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        store_study(results, arguments.trials, arguments.windows)
        copy_study(results / "autotune.db", arguments.studies)
        command = [sys.executable, "-m", "autotune", "studies", "list", "--results", folder]
        first_s = seconds(command)
        again_s = statistics.median(seconds(command) for _ in range(arguments.runs))
    import_s = statistics.median(seconds(_IMPORT) for _ in range(arguments.runs))
    print("| studies | first run (s) | later runs, median (s) | times the import of autotune.cli |")
    print("|---|---|---|---|")
    print(f"| {arguments.studies} | {first_s:.1f} | {again_s:.2f} | {again_s / import_s:.1f} |")


def copy_study(database: Path, studies: int) -> None:
    """Copies the study until there are so many."""
    with sqlite3.connect(database) as connection:
        spans = {table: _span(connection, table) for table in ("autotune_study", "autotune_trial", "autotune_probe")}
        for number in range(1, studies):
            study = [f"id + {number}", f"name || '-{number}'"]
            _copy(connection, "autotune_study", dict(zip(("id", "name"), study, strict=True)))
            for table, refers in _COPIED.items():
                above = {"study_id": 1, "trial_id": spans["autotune_trial"], "probe_id": spans["autotune_probe"]}[
                    refers
                ]
                changed = {refers: f"{refers} + {number * above}"}
                if table in spans:
                    changed["id"] = f"id + {number * spans[table]}"
                _copy(connection, table, changed)


def _span(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0])  # noqa: S608


def _copy(connection: sqlite3.Connection, table: str, changed: dict[str, str]) -> None:
    """Copies the rows of the first study, with other values in some columns."""
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    of_study = "SELECT id FROM autotune_trial WHERE study_id = 1"
    if "study_id" in columns or table == "autotune_study":
        first = "study_id = 1" if "study_id" in columns else "id = 1"
    elif "trial_id" in columns:
        first = f"trial_id IN ({of_study})"
    else:
        first = f"probe_id IN (SELECT id FROM autotune_probe WHERE trial_id IN ({of_study}))"  # noqa: S608
    values = ", ".join(changed.get(column, column) for column in columns)
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    connection.execute(f"{into} SELECT {values} FROM {table} WHERE {first}")  # noqa: S608


def seconds(command: list[str]) -> float:
    """Wall time of a command."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
