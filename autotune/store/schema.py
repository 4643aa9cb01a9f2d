"""The tables of the database in words: ``python -m autotune.store.schema > docs/schema.md``."""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import Table

from autotune.store._meanings import MEANINGS
from autotune.store._tables import SCHEMA_VERSION, Base

_HEAD = """\
# Tables of the database

Results are kept in one database, `results/autotune.db` (SQLite) by default, or the one that `--storage` names. Optuna's
tables stand beside these and hold the same trials for `optuna-dashboard`. This page is of schema version {version}; a
database of an older version is brought up to date when it is opened. Times are in seconds, or in microseconds if the
name ends with `_us`; moments are in UTC. Columns named `body` hold the whole object as JSON, from which `autotune`
reads it back: they may change with any version, the other columns only with the schema version.

`autotune studies export` writes trials or windows as CSV, Parquet or JSON without any SQL.

The tables are written from the code: `python -m autotune.store.schema > docs/schema.md`.
"""

_QUERY = """
## An example

The sustainable rate of every trial of a study with the p99 at it, the fastest first:

```sql
SELECT trial.number, measurement.rate_per_s, probe.p99_s
FROM autotune_study AS study
JOIN autotune_trial AS trial ON trial.study_id = study.id AND trial.role = 'trial'
JOIN autotune_measurement AS measurement ON measurement.trial_id = trial.id
JOIN autotune_probe AS probe ON probe.trial_id = trial.id AND probe.position = measurement.decided_by
WHERE study.name = 'mnist-p99-5ms' AND measurement.feasible
ORDER BY measurement.rate_per_s DESC;
```
"""


def schema_text() -> str:
    """The page as Markdown.

    Raises:
        KeyError: A table or a column has no meaning in `autotune.store._meanings`.
    """
    docs = {str(mapper.local_table): mapper.class_.__doc__ or "" for mapper in Base.registry.mappers}
    tables = "\n".join(_table(table, docs[name]) for name, table in Base.metadata.tables.items())
    return _HEAD.format(version=SCHEMA_VERSION) + "\n" + tables + _QUERY


def _table(table: Table, doc: str) -> str:
    words = " ".join(doc.split())
    rows = "".join(
        f"| `{column.name}` | {column.type}{'' if column.nullable else ', not null'}{_keys(column)} |"
        f" {MEANINGS[table.name][column.name]} |\n"
        for column in table.columns
    )
    return f"## {table.name}\n\n{words}\n\n| column | type | meaning |\n|---|---|---|\n{rows}"


def _keys(column: Any) -> str:
    keys = [", primary key"] if column.primary_key else []
    keys += [f", refers to `{key.target_fullname}`" for key in column.foreign_keys]
    return "".join([*keys, ", unique" if column.unique else ""])


if __name__ == "__main__":
    sys.stdout.write(schema_text())
