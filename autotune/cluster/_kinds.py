"""Which nodes of a cluster have the same hardware and software: only their measurements are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotune.cluster._connection import Node
from autotune.cluster._setup import Facts
from autotune.cluster._worker import Inspection
from autotune.environment import differences, kind_names
from autotune.errors import UsageError


@dataclass(frozen=True)
class Kind:
    """Nodes with the same fingerprint.

    Attributes:
        name: Such as ``nvidia-h200``.
        facts: What they say.
        nodes: The nodes.
    """

    name: str
    facts: Facts
    nodes: tuple[Node, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host of each node."""
        return tuple(node.host for node in self.nodes)


def kinds_of(nodes: Sequence[Node], found: Sequence[Inspection]) -> list[Kind]:
    """The kinds, that of the most nodes first.

    Args:
        nodes: The nodes.
        found: What each of them says, in the same order.

    Raises:
        UsageError: A node cannot serve the model.
    """
    facts: dict[str, Facts] = {}
    members: dict[str, list[Node]] = {}
    for node, each in zip(nodes, found, strict=True):
        if each.facts is None:
            raise UsageError(f"--executor: ray, on {each.host}: {each.error}")
        digest = each.facts.environment.digest
        facts.setdefault(digest, each.facts)
        members.setdefault(digest, []).append(node)
    digests = sorted(facts, key=lambda digest: (-len(members[digest]), digest))
    names = kind_names([facts[digest].environment for digest in digests])
    return [Kind(name, facts[digest], tuple(members[digest])) for name, digest in zip(names, digests, strict=True)]


def only_kind(kinds: Sequence[Kind]) -> Kind:
    """The kind of a cluster that has one; raises `UsageError` if it has several."""
    first, *others = kinds
    if others:
        unlike = differences(
            first.facts.environment,
            others[0].facts.environment,
            f"on {first.nodes[0].host}",
            f"on {others[0].nodes[0].host}",
        )
        raise UsageError(
            f"--executor: ray, nodes of {len(kinds)} kinds cannot be compared ({'; '.join(unlike)}); add --per-hardware"
            " for a study on each kind, or give nodes of one kind a custom resource and name it with --worker-resource"
        )
    return first
