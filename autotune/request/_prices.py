"""Prices of hardware, from a YAML file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from autotune.errors import UsageError
from autotune.reading import read_yaml


@dataclass(frozen=True)
class Prices:
    """What hardware costs.

    Attributes:
        file: Where the prices are written.
        by_pattern: Pattern of a name to the price of one hour of what a trial takes, in any currency.
    """

    file: Path
    by_pattern: Mapping[str, float]

    @classmethod
    def read(cls, file: Path) -> Prices:
        """Reads a mapping such as ``{"nvidia-h200": 4.2, "*EPYC*": 0.4}``.

        Raises:
            UsageError: The file cannot be read, or holds something else.
        """
        found = read_yaml(file, "--prices", "name a YAML file of prices")
        if not isinstance(found, Mapping) or not found:
            raise UsageError(f"--prices: {file}: expected lines such as 'nvidia-h200: 4.2', a price per hour")
        for pattern, price in found.items():
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 < price < math.inf:
                raise UsageError(f"--prices: {file}: {pattern}: expected a price per hour above 0, found {price!r}")
        return cls(file, {str(pattern): float(price) for pattern, price in found.items()})

    def of(self, kind: str, names: Sequence[str]) -> float:
        """The price of a kind of hardware: the first line that names it or a part of it, in small or capital letters.

        Args:
            kind: Its name.
            names: Other names of it, such as those of its GPU and CPU.

        Raises:
            UsageError: No line does.
        """
        for name in (kind, *names):
            for pattern, price in self.by_pattern.items():
                if fnmatchcase(name.lower(), pattern.lower()):
                    return price
        known = " or ".join(repr(each) for each in (kind, *names) if each)
        raise UsageError(f"--prices: {self.file} has no price for {known}; add a line such as '{kind}: 1.5'")
