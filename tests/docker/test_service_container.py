"""The service's container starts with what its compose file gives it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from autotune.server._engine import connect
from autotune.service import Scope, new_token

COMPOSE = Path(__file__).parents[2] / "docker" / "service" / "compose.yaml"


@pytest.mark.skipif(not os.environ.get("TEST_REQUIRE_DOCKER"), reason="the image autotune:latest is built in CI")
def test_tokens_of_an_ordinary_user_are_read(tmp_path: Path) -> None:
    """Compose 1.29.2 mounts the file of a secret with its owner and mode: only its owner may read it, rarely root."""
    service = yaml.safe_load(COMPOSE.read_text())["services"]["service"]
    new_token(tmp_path / "tokens.yaml", "alice", "search", frozenset({Scope.READ}))
    if os.geteuid() == 0:
        os.chown(tmp_path / "tokens.yaml", 1000, 1000)
    client = connect()
    try:
        read = client.containers.run(
            service["image"],
            entrypoint="cat",
            command="/run/secrets/tokens",
            volumes=[f"{tmp_path / 'tokens.yaml'}:/run/secrets/tokens:ro"],
            cap_drop=service["cap_drop"],
            cap_add=service.get("cap_add", []),
            security_opt=service["security_opt"],
            network_disabled=True,
            remove=True,
        )
    finally:
        client.close()
    assert read == (tmp_path / "tokens.yaml").read_bytes()
