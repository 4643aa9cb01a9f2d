"""The fixtures of this folder: every test runs on SQLite and on PostgreSQL."""

from pathlib import Path

import pytest
from postgresql_server import postgresql  # noqa: F401
from stored_trials import store  # noqa: F401

from autotune.store import database_url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return database_url(tmp_path)
    if request.node.get_closest_marker("sqlite"):
        pytest.skip("about SQLite's files")
    return request.getfixturevalue("postgresql").new_database()
