"""How a field of a request describes its option: command line, environment, ``--config`` and Python read it here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from autotune.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

_KEY = "option"


class Panel(str, Enum):
    """The headings of ``--help``, in their order."""

    OBJECTIVE = "Objective"
    MODEL = "Model"
    SEARCH = "Search"
    LOAD = "Load"
    SERVER = "Server"
    ADDRESS = "Address"
    OUTPUT = "Output"


@dataclass(frozen=True)
class Allowed:
    """The numbers that an option takes: a test, and the same in words for the error."""

    accepts: Callable[[float], bool]
    words: str


AT_LEAST_ZERO = Allowed(lambda value: value >= 0, "0 or more")
AT_LEAST_ONE = Allowed(lambda value: value >= 1, "1 or more")


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        metavar: What stands for the value in the help; empty for a switch.
        help: One short sentence.
        panel: The heading in the help.
        aliases: Other flags for the same option.
        allowed: The numbers it takes; None for any.
        argument: Whether it is given by its place instead of a flag.
        name: The field's name, which is also the Python keyword.
        default: The field's default.
        type: The type of one value on the command line: ``str``, ``int``, ``float`` or ``bool``.
        repeatable: Whether it may be given several times.
    """

    metavar: str
    help: str
    panel: Panel
    aliases: tuple[str, ...] = ()
    allowed: Allowed | None = None
    argument: bool = False
    name: str = ""
    default: Any = None
    type: type = str
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """The flag: ``--shm-size`` of the field ``shm_size``."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable: ``AUTOTUNE_SHM_SIZE`` of the field ``shm_size``."""
        return "AUTOTUNE_" + self.name.upper()

    def check(self, value: Any) -> None:
        """Raises `UsageError` if the number is out of range."""
        if self.allowed is not None and value is not None and not self.allowed.accepts(value):
            raise UsageError(f"{self.flag}: {value:g} is out of range; use {self.allowed.words}")


def option(
    default: Any,
    metavar: str,
    help: str,  # noqa: A002
    *,
    panel: Panel,
    aliases: Sequence[str] = (),
    allowed: Allowed | None = None,
    argument: bool = False,
) -> Any:
    """A field of a request, with its default and its `Option`."""
    described = Option(metavar, help, panel, tuple(aliases), allowed, argument)
    return dataclasses.field(default=default, metadata={_KEY: described})


def option_of(request: type[Request], name: str) -> Any:
    """The same field as another request's, for a command that takes only some of its options."""
    described = request.__dataclass_fields__[name]
    return dataclasses.field(default=described.default, metadata=described.metadata)


@dataclass(frozen=True)
class Request:
    """Base of all requests: a number out of its option's range is refused when the request is made."""

    def __new__(cls, *values: Any, **options: Any) -> Self:
        """A request that remembers which of its options were given."""
        made = super().__new__(cls)
        places = [each.name for each in dataclasses.fields(cls) if not each.kw_only]
        made.__dict__["_given"] = frozenset([*places[: len(values)], *options])
        return made

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that were given, the others have their default."""
        given: frozenset[str] = self.__dict__["_given"]
        return given

    def completed_with(self, options: Mapping[str, Any]) -> Self:
        """This request with ``options`` where it was given none."""
        completed = dataclasses.replace(
            self, **{name: value for name, value in options.items() if name not in self.given}
        )
        completed.__dict__["_given"] = self.given | frozenset(options)
        return completed

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            dataclasses.replace(each.metadata[_KEY], name=each.name).check(getattr(self, each.name))


def options_of(request: type[Request]) -> dict[str, Option]:
    """The options of a request by field name, its own before those of its parts."""
    hints = get_type_hints(request)
    names = (name for part in request.__mro__ for name in getattr(part, "__annotations__", ()))
    found = {}
    for name in dict.fromkeys(names):
        each = request.__dataclass_fields__[name]
        kind, repeatable = _type_of(hints[name])
        found[name] = dataclasses.replace(
            each.metadata[_KEY], name=name, default=each.default, type=kind, repeatable=repeatable
        )
    return found


def _type_of(hint: Any) -> tuple[type, bool]:
    """The type of one value on the command line, and whether there may be several."""
    if get_origin(hint) is Sequence:
        return get_args(hint)[0], True
    members = [member for member in get_args(hint) or (hint,) if member is not NoneType]
    return (str if str in members else members[0]), False
