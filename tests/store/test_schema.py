"""docs/schema.md is what the tables are."""

from __future__ import annotations

import re
from pathlib import Path

from stored_trials import begin, connected, outcome

from autotune.store import Store
from autotune.store._meanings import MEANINGS
from autotune.store._tables import Base
from autotune.store.schema import schema_text

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"


def test_every_column_has_a_meaning_and_nothing_else_has() -> None:
    tables = {name: set(table.columns.keys()) for name, table in Base.metadata.tables.items()}
    assert tables == {name: set(meanings) for name, meanings in MEANINGS.items()}, (
        "say it in autotune/store/_meanings.py"
    )


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == schema_text(), "run `python -m autotune.store.schema > docs/schema.md`"


def test_the_example_query_finds_the_trials(store: Store, url: str) -> None:
    study, _ = begin(store, "mnist-p99-5ms")
    store.save_trial(study, 3, "proposed", outcome())
    query = re.search(r"```sql\n(.*)```", PAGE.read_text(), re.DOTALL)
    assert query is not None
    with connected(url) as raw:
        ((number, rate_per_s, _),) = raw.exec_driver_sql(query[1]).fetchall()
    assert (number, rate_per_s) == (3, 1000.5)
