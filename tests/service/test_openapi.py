"""Schemathesis asks the service what its OpenAPI description allows, and what it does not."""

from __future__ import annotations

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method
from served_jobs import make_service

from autotune.service import create_application

ROUTES = [
    ("GET", "/v1/repositories"),
    ("GET", "/v1/jobs"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs/{name}"),
    ("POST", "/v1/jobs/{name}/cancel"),
    ("GET", "/v1/jobs/{name}/events"),
    ("GET", "/v1/jobs/{name}/result"),
    ("GET", "/v1/jobs/{name}/config"),
    ("GET", "/v1/jobs/{name}/report"),
    ("GET", "/metrics"),
]


def test_answers_are_as_described(tmp_path: Path) -> None:
    service = make_service(tmp_path, most_unfinished=20)
    description = schemathesis.openapi.from_asgi("/openapi.json", create_application(service.settings))
    operations = [result.ok() for result in description.get_all_operations()]
    assert sorted((each.method.upper(), each.path) for each in operations) == sorted(ROUTES)
    for operation in operations:
        for mode in GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)

            @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            @given(case=cases)
            def ask(case: schemathesis.Case) -> None:
                case.call_and_validate(
                    headers={"Authorization": f"Bearer {service.secrets['root']}"},
                    # The dashboard's routes answer what the description does not name, and whether options of a run
                    # go together is more than a schema can say.
                    excluded_checks=[unsupported_method, positive_data_acceptance],
                )

            ask()
