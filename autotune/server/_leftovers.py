"""Everything that dead runs left on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from autotune.errors import UsageError
from autotune.server._belongings import Leftover, orphans
from autotune.server._container import orphaned_containers
from autotune.server._engine import connect


@contextmanager
def leftovers() -> Iterator[list[Leftover]]:
    """Processes, shared memory, directories and, if an engine answers, containers; to be removed in the context."""
    found = list(orphans(environments_since=0.0))
    try:
        client = connect()
    except UsageError:
        yield found
        return
    with closing(client):
        yield [*found, *orphaned_containers(client)]
