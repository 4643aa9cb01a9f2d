"""Compiles a function to machine code, kept on disk where there is a place to keep it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """``function``, compiled when it is first called.

    The machine code is kept beside the module or, where that is read-only, in the person's cache directory
    (``NUMBA_CACHE_DIR`` names another); where neither can be written, it is compiled anew in every process.
    """
    try:
        return cast(_Function, numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba: no locator available
        return cast(_Function, numba.njit(nogil=True)(function))
