"""``/metrics``: what Prometheus reads of the service."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Depends, Security
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.responses import Response

from autotune.service._access import Access
from autotune.service._settings import ServiceSettings
from autotune.service._tokens import Scope
from autotune.store import JobState, JobStore, now


class _Jobs(Collector):
    """Read from the database when asked, so that a restart loses no count."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Jobs by state, and how long the oldest queued one waits."""
        states = GaugeMetricFamily("autotune_jobs", "Jobs by state.", labels=["state"])
        for state, number in self._jobs.counts().items():
            states.add_metric([state.value], number)
        yield states
        oldest = self._jobs.oldest(JobState.QUEUED)
        waited_s = (now() - oldest.created_at).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily("autotune_queue_wait_seconds", "Wait of the oldest queued job.", value=waited_s)


def metrics_router(settings: ServiceSettings, access: Access) -> APIRouter:
    """The route ``/metrics``; for tokens with the scope metrics."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(_Jobs(settings.store.jobs()))

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, 401: {}, 403: {}, 429: {}},
        dependencies=[*(Security(scheme) for scheme in access.schemes), Depends(access.needs(Scope.METRICS))],
    )
    def metrics() -> Response:
        """Jobs by state and the wait of the oldest queued one, in Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
