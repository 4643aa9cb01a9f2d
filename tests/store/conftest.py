"""The fixtures of this folder."""

from stored_trials import store, url  # noqa: F401
