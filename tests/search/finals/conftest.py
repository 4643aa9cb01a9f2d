"""The fixtures of this folder."""

from pretended_studies import store  # noqa: F401
