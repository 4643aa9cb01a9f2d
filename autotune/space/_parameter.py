"""One dimension of a search space."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from autotune.repository import ARGUMENT_FIELD

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from autotune.space._candidate import ParameterValue

MAX_BATCH_SIZE = "max_batch_size"
DYNAMIC_BATCHING = "dynamic_batching"
QUEUE_DELAY = "max_queue_delay_microseconds"
PREFERRED = "preferred_batch_size"
INSTANCE_COUNT = "instance_count"
INSTANCE_KIND = "instance_kind"

BUILT_IN = (MAX_BATCH_SIZE, DYNAMIC_BATCHING, QUEUE_DELAY, PREFERRED, INSTANCE_COUNT, INSTANCE_KIND)
BATCHING = BUILT_IN[:4]
BATCHER = BUILT_IN[1:4]
"""The parameters of the dynamic batcher."""
SIMULATED = BUILT_IN[:5]
"""The parameters whose effect can be simulated."""

NO_PREFERENCE = "none"
KEEP_KIND = "auto"


@dataclass(frozen=True)
class Parameter:
    """A parameter and the values it may take.

    Attributes:
        name: One of `BUILT_IN`, or the path of a config field.
        choices: The values as a `Candidate` and Optuna hold them, scalars; whole numbers are sorted.
        settings: The value that the config gets for each choice (a list of sizes for ``"4,8"``, say).
        between: Those of the choices that lie between powers of two, which are tried around the best only.
    """

    name: str
    choices: tuple[ParameterValue, ...]
    settings: tuple[Any, ...]
    between: frozenset[int] = frozenset()

    @classmethod
    def of(cls, name: str, settings: list[Any], between: frozenset[int] = frozenset()) -> Parameter:
        """A parameter of these settings; see `encode` for how they become scalars."""
        if all(type(each) is int for each in settings):
            settings = sorted(settings)
        return cls(name, tuple(encode(name, each) for each in settings), tuple(settings), between)

    @property
    def is_field(self) -> bool:
        """Whether it is a config field by path rather than a parameter of ours."""
        return self.name not in BUILT_IN

    @property
    def is_argument(self) -> bool:
        """Whether it is an argument of ``tritonserver``."""
        return self.name.startswith(ARGUMENT_FIELD)

    @property
    def needs_batcher(self) -> bool:
        """Whether it has an effect with dynamic batching only."""
        return self.name in {QUEUE_DELAY, PREFERRED} or self.name.startswith("dynamic_batching.")

    @cached_property
    def coarse(self) -> tuple[ParameterValue, ...]:
        """The choices without those that are tried around the best only."""
        return tuple(choice for choice in self.choices if choice not in self.between)

    def around(self, value: ParameterValue) -> tuple[ParameterValue, ...]:
        """The choices between powers of two that lie next to ``value``; so may itself."""
        powers = [int(str(each)) for each in self.coarse] if self.between and isinstance(value, int) else []
        low = max((power for power in powers if power < int(str(value))), default=0)
        high = min((power for power in powers if power > int(str(value))), default=math.inf)
        return tuple(each for each in sorted(self.between) if low < each < high)

    def admits(self, value: ParameterValue) -> bool:
        """Whether it is one of the choices or, if those are refined, a whole number within their range."""
        if self.between and isinstance(value, int) and not isinstance(value, bool):
            return self._numbers[0] <= value <= self._numbers[-1]
        return self.has(value)

    def beside(self, value: ParameterValue) -> tuple[ParameterValue, ...]:
        """The whole numbers next below and next above ``value``, where it is one of them."""
        at = next((index for index, number in enumerate(self._numbers) if number == value), None)
        return () if at is None else (*self._numbers[max(0, at - 1) : at], *self._numbers[at + 1 : at + 2])

    @cached_property
    def optuna_name(self) -> str:
        """The name in Optuna's study: powers of two are searched, and shown, by their exponent."""
        return f"log2_{self.name}" if self._is_log2 else self.name

    @cached_property
    def distribution(self) -> BaseDistribution:
        """Numbers whose order a sampler knows if they are evenly spaced or powers of two; else categories."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.between:
            return FloatDistribution(math.log2(self._numbers[0]), math.log2(self._numbers[-1]))
        if self._is_log2:
            return IntDistribution(_exponent(self._numbers[0]), _exponent(self._numbers[-1]))
        if self._step is not None:
            return IntDistribution(self._numbers[0], self._numbers[-1], step=self._step)
        return CategoricalDistribution(self.choices)

    def to_optuna(self, value: ParameterValue) -> Any:
        """The value as the distribution has it."""
        if self.between:
            return math.log2(int(str(value)))
        return _exponent(int(str(value))) if self._is_log2 else value

    def from_optuna(self, value: Any) -> ParameterValue:
        """The value that Optuna proposed, among the choices: the nearest if it may lie between them.

        The logarithm of a whole number is that number, which a sampler meant to propose.

        Raises:
            ValueError: It is none of them.
        """
        if self.between:
            meant = round(math.pow(2.0, float(value)))
            if self.admits(meant) and math.isclose(math.log2(meant), float(value), abs_tol=1e-12):
                return meant
            return min(self._numbers, key=lambda number: abs(math.log2(number) - float(value)))
        return self.choices[self.index(2 ** int(value) if self._is_log2 else value)]

    def index(self, value: ParameterValue) -> int:
        """Where a value stands among the choices; true is not 1.

        Raises:
            ValueError: It is none of them.
        """
        for index, choice in enumerate(self.choices):
            if choice == value and isinstance(choice, bool) == isinstance(value, bool):
                return index
        raise ValueError(f"{self.name}: {value!r} is not one of {self.choices}")

    def has(self, value: ParameterValue) -> bool:
        """Whether the value is one of the choices."""
        try:
            self.index(value)
        except ValueError:
            return False
        return True

    def keeping(self, indices: list[int]) -> Parameter:
        """The parameter with only these choices."""
        kept = tuple(self.choices[each] for each in indices)
        between = frozenset(each for each in self.between if each in kept)
        return Parameter(self.name, kept, tuple(self.settings[each] for each in indices), between)

    def __str__(self) -> str:
        texts = ["unset" if choice is None else _text(choice) for choice in self.coarse]
        if len(texts) > 10:
            texts = [*texts[:4], "...", *texts[-2:], f"({len(self.coarse)} values)"]
        listed = ", ".join(f"[{text}]" if "," in text else text for text in texts)
        return f"{listed}; around the best {', '.join(map(str, sorted(self.between)))}" if self.between else listed

    @cached_property
    def _numbers(self) -> list[int]:
        """The choices if all are whole numbers; else empty."""
        return [choice for choice in self.choices if isinstance(choice, int) and not isinstance(choice, bool)]

    @cached_property
    def _step(self) -> int | None:
        """The distance of evenly spaced whole numbers; 1 for a single one."""
        if len(self._numbers) < len(self.choices):
            return None
        steps = {after - before for before, after in pairwise(self._numbers)} or {1}
        return steps.pop() if len(steps) == 1 else None

    @cached_property
    def _is_log2(self) -> bool:
        if self.between:
            return True
        numbers = self._numbers
        if len(numbers) < max(2, len(self.choices)) or not is_power_of_two(numbers[0]):
            return False
        doubling = all(after == 2 * before for before, after in pairwise(numbers))
        return doubling and (len(numbers) > 2 or self.name == MAX_BATCH_SIZE)


def encode(name: str, setting: Any) -> ParameterValue:
    """A setting as a scalar: preferred sizes as ``"4,8"`` or ``"none"``, lists and mappings as JSON."""
    if name == PREFERRED:
        return preferred_text(setting)
    if isinstance(setting, (list, tuple, dict)):
        return json.dumps(setting)
    return setting  # type: ignore[no-any-return]


def preferred_text(sizes: tuple[int, ...]) -> str:
    """Preferred batch sizes as a text: ``"4,8"``, ``"none"``."""
    return ",".join(str(size) for size in sizes) or NO_PREFERENCE


def preferred_sizes(text: ParameterValue, max_batch_size: int | None) -> tuple[int, ...]:
    """The sizes in a text, those over ``max_batch_size`` dropped."""
    if text == NO_PREFERENCE or text is None:
        return ()
    sizes = (int(size) for size in str(text).split(","))
    return tuple(size for size in sizes if max_batch_size is None or size <= max_batch_size)


def is_power_of_two(number: int) -> bool:
    """Whether the number is 1, 2, 4, 8, ..."""
    return number > 0 and number & (number - 1) == 0


def _exponent(number: int) -> int:
    return number.bit_length() - 1


def _text(value: ParameterValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
