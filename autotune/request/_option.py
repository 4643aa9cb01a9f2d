"""How a field of a request describes its option: command line, environment, ``--config`` and Python read it here."""

from __future__ import annotations

import dataclasses
import errno
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from autotune.errors import UsageError
from autotune.limits import LONGEST_TEXT, MOST_CONCURRENCY, MOST_NUMBER, MOST_RATE_PER_S

if TYPE_CHECKING:
    from typing_extensions import Self

_KEY = "option"


_SHOWN = 60  # characters of a value in an error
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def shortened(value: Any) -> str:
    """A value as Python writes it, cut where it is long."""
    if isinstance(value, int) and value.bit_length() > 1000:
        text = f"a number of {value.bit_length()} bits"  # Python may refuse to write its digits
    else:
        text = f"{value:g}" if isinstance(value, float) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _check_path(flag: str, text: str) -> None:
    """Raises `UsageError` for links that lead in a circle, and for names that no file has."""
    try:
        os.stat(text)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            raise UsageError(f"{flag}: {shortened(text)}: {error.strerror}; name another place") from None


class Panel(str, Enum):
    """The headings of ``--help``, in their order."""

    OBJECTIVE = "Objective"
    MODEL = "Model"
    SEARCH = "Search"
    LOAD = "Load"
    SERVER = "Server"
    EXECUTOR = "Executor"
    ADDRESS = "Address"
    OUTPUT = "Output"


@dataclass(frozen=True)
class Allowed:
    """The numbers that an option takes: a test, and the same in words for the error."""

    accepts: Callable[[float], bool]
    words: str


AT_LEAST_ZERO = Allowed(lambda value: value >= 0, "0 or more")
AT_LEAST_ONE = Allowed(lambda value: value >= 1, "1 or more")
RATES = Allowed(lambda value: 0 < value <= MOST_RATE_PER_S, f"a rate above 0 and up to {MOST_RATE_PER_S}")
CONCURRENCIES = Allowed(lambda value: 1 <= value <= MOST_CONCURRENCY, f"1 to {MOST_CONCURRENCY}")


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
        """Raises `UsageError` for a value of another type, out of range, or that nothing can mean."""
        if value is None or value is self.default:
            return
        if self.repeatable and isinstance(value, list | tuple):
            for each in value:
                self._check_one(each)
        else:
            self._check_one(value)

    def _check_one(self, value: Any) -> None:
        if isinstance(value, str | Path) and self.type is str:
            self._check_text(str(value))
        elif isinstance(value, bool) or self.type is bool:
            if not (isinstance(value, bool) and self.type is bool):
                raise UsageError(f"{self._named}: expected {_WORDS[self.type]}, found {shortened(value)}")
        elif isinstance(value, Real) and (self.type is not int or isinstance(value, Integral)):
            self._check_number(value)
        else:
            raise UsageError(f"{self._named}: expected {_WORDS[self.type]}, found {shortened(value)}")

    def _check_number(self, value: Any) -> None:
        if self.allowed is not None and not self.allowed.accepts(value):
            raise UsageError(f"{self.flag}: {shortened(value)} is out of range; use {self.allowed.words}")
        if not abs(value) < MOST_NUMBER:
            raise UsageError(f"{self.flag}: {shortened(value)} is out of range; use a number below {MOST_NUMBER:,}")

    def _check_text(self, text: str) -> None:
        multiline = self.metavar == "COMMAND"  # pasted from a shell
        if not text.strip():
            raise UsageError(f"{self._named}: is empty; give a value, or leave it out")
        if any(unicodedata.category(each) == "Cc" for each in text) and not (multiline and "\0" not in text):
            raise UsageError(f"{self._named}: {shortened(text)} has a control character; leave it out")
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"{self._named}: has {len(text):,} characters; give at most {LONGEST_TEXT:,}")
        if any(word in self.metavar for word in ("FILE", "DIR", "PATH", "CONFIG")):
            _check_path(self._named, text)

    @property
    def _named(self) -> str:
        return self.metavar.strip(".") if self.argument else self.flag


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
        return self.changed(**{name: value for name, value in options.items() if name not in self.given})

    def changed(self, **options: Any) -> Self:
        """This request with other ``options``: given are those, and what was given before."""
        made = dataclasses.replace(self, **options)
        made.__dict__["_given"] = self.given | frozenset(options)
        return made

    def __post_init__(self) -> None:
        for name, each in options_of(type(self)).items():
            value = getattr(self, name)
            each.check(value)
            if each.repeatable:  # from Python a single value may stand for itself
                values = (value,) if isinstance(value, str | Path) else value or ()
                object.__setattr__(self, name, tuple(map(str, values)))


def listed(given: Sequence[str]) -> list[str]:
    """The names of an option that takes several, separated by commas, and may be repeated."""
    return [name.strip() for each in given for name in each.split(",")]


def options_of(request: type[Request]) -> dict[str, Option]:
    """The options of a request by field name, its own before those of its parts."""
    return _OPTIONS.get(request) or _OPTIONS.setdefault(request, _options_of(request))


_OPTIONS: dict[type[Request], dict[str, Option]] = {}


def _options_of(request: type[Request]) -> dict[str, Option]:
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
