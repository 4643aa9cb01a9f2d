"""Connects to a Ray cluster and finds the nodes that trials fit on."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autotune.cluster._versions import build
from autotune.errors import AutotuneError, UsageError

_REACH_S = 5.0  # guess: a TCP connection within a data centre takes milliseconds
ANSWER_S = 120.0  # guess: a node's first Python process imports the package, on a busy machine too


@dataclass(frozen=True)
class Node:
    """A node of the cluster that trials fit on.

    Attributes:
        id: Ray's id.
        host: Its host's name or address.
        slots: Trials that fit at a time.
    """

    id: str
    host: str
    slots: int


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ``ray``, connected until the context is left.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--executor: ray is not installed; run pip install 'triton-autotune[ray]', or use --executor local"
        ) from error
    _check_reachable(address)
    _keep_output_clean()
    try:
        with _own_signals():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except Exception as error:
        raise UsageError(f"--address: no Ray cluster at {address}: {_first_line(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps the handlers of signals: ``ray.init`` puts its own in their place, which end the process."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for each, handler in handlers.items():
                signal.signal(each, handler)


def _keep_output_clean() -> None:
    """Keeps Ray's messages about its own processes off standard output, where results go.

    Ray 2.60 prints there what its nodes report, such as 30 lines of log for a node that was lost, also with
    ``log_to_driver=False`` (``listen_error_messages`` in ``ray/_private/worker.py``).
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def _check_reachable(address: str) -> None:
    if address == "auto":
        return
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--address: {address!r} is no address; use HOST:PORT, ray://HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--address: {address} does not answer ({error}); start a cluster with ray start --head, or name another"
        ) from error


def fitting_nodes(ray: Any, resources: Mapping[str, float]) -> list[Node]:
    """The live nodes on which a trial fits.

    Raises:
        UsageError: There is none; says what the cluster has.
    """
    alive = [each for each in ray.nodes() if each["Alive"]]
    found = []
    for each in alive:
        slots = min(int(each["Resources"].get(name, 0.0) / amount) for name, amount in resources.items())
        if slots:
            found.append(Node(each["NodeID"], each["NodeManagerHostname"], slots))
    if found:
        return sorted(found, key=lambda node: node.id)
    wanted = ", ".join(f"{amount:g} {name}" for name, amount in resources.items())
    has = "; ".join(f"{each['NodeManagerHostname']}: {_resources(each['Resources'])}" for each in alive)
    flag = "--worker-cpus" if "CPU" in resources else "--executor" if "GPU" in resources else "--worker-resource"
    raise UsageError(
        f"{flag}: no node of the cluster has {wanted}; it has {len(alive)} nodes ({has}); "
        "use --worker-cpus N or --worker-resource NAME=N for what they have"
    )


def _resources(of_node: Mapping[str, float]) -> str:
    shown = [
        f"{amount:g} {name}"
        for name, amount in sorted(of_node.items())
        if not name.startswith(("node:", "accelerator_type:")) and "memory" not in name
    ]
    return ", ".join(shown) or "nothing"


def on_each(ray: Any, nodes: Sequence[Node], function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What a function returns on each node, run there beside whatever runs.

    Raises:
        AutotuneError: A node does not answer.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=3)(function)
    calls = {
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(*arguments): node
        for node in nodes
    }
    _, missing = ray.wait(list(calls), num_returns=len(calls), timeout=ANSWER_S)
    if missing:
        raise AutotuneError(f"--executor ray: {calls[missing[0]].host} did not answer within {ANSWER_S:.0f} s")
    found = []
    for call, node in calls.items():
        try:
            found.append(ray.get(call))
        except ray.exceptions.RayError as error:
            raise UsageError(f"--executor: ray, on {node.host}: {_first_line(error)}") from error
    return found


def check_builds(ray: Any, nodes: Sequence[Node]) -> None:
    """Raises `UsageError` if a node runs another autotune, or none."""
    ours = build()
    for node, theirs in zip(nodes, on_each(ray, nodes, _build_function()), strict=True):
        if theirs != ours:
            found = f"has autotune {theirs}" if theirs else "has no autotune with this command"
            raise UsageError(f"--executor: ray, {node.host} {found}, here is {ours}; install the same there")


def _build_function() -> Callable[[], str]:
    """A function that is sent by value, so that it runs where autotune is missing or another."""

    def ask() -> str:
        try:
            from autotune.cluster._versions import build as build_there
        except ImportError:
            return ""
        return build_there()

    return ask


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "cause", None) or error
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
