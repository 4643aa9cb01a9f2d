"""YAML that remembers its lines, so that an error can name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from autotune.errors import UsageError
from autotune.reading import BoundedLoader

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Node:
    """A part of a YAML document.

    Attributes:
        source: The file, for errors.
        node: PyYAML's node.
        computed: A value that was computed from the node, in place of its own.
    """

    source: str
    node: yaml.Node
    computed: Any = None

    @property
    def value(self) -> Any:
        """The value in Python types."""
        if self.computed is not None:
            return self.computed
        return yaml.SafeLoader("").construct_object(self.node, deep=True)

    @property
    def text(self) -> str:
        """The text of a single value: YAML would take ``1:257:64`` for a number in base 60."""
        return str(self.node.value)

    @property
    def is_single(self) -> bool:
        """Whether it is a single value, neither a list nor a mapping."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def items(self) -> Iterator[tuple[str, Node, Node]]:
        """A mapping's entries in order: key, the key's node, the value's node.

        Raises:
            UsageError: A key is there twice, or is not a text.
        """
        seen: set[str] = set()
        for key_node, value_node in self.node.value:
            key = Node(self.source, key_node)
            if not isinstance(key.value, str):
                raise key.error(f"{key.value!r} is not a name; write a string before the colon")
            if key.value in seen:
                raise key.error(f"{key.value!r} is there twice; remove one")
            seen.add(key.value)
            yield key.value, key, Node(self.source, value_node)

    def elements(self) -> list[Node]:
        """A list's elements."""
        return [Node(self.source, each) for each in self.node.value]

    def error(self, message: str) -> UsageError:
        """An error at this line."""
        return UsageError(f"{self.source}:{self.node.start_mark.line + 1}: {message}")


_SPACE = "parameters to search, such as 'parameters: {instance_count: [1, 2]}'"


def parse_document(text: str, source: str, expected: str = _SPACE) -> Node:
    """The root of a YAML document; ``expected`` says what to write into an empty one.

    Raises:
        UsageError: It is not YAML, or empty; names the line.
    """
    try:
        root = yaml.compose(text, Loader=BoundedLoader)
        if root is not None:
            yaml.SafeLoader("").construct_object(root, deep=True)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(
            f"{source}{line}: not valid YAML: {error.problem or error.context}; correct that line"
        ) from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{source}: not valid YAML: {reason}; correct the file") from error
    if root is None:
        raise UsageError(f"{source}: is empty; write {expected}")
    return Node(source, root)
