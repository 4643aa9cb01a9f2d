"""The fixtures of this folder."""

from browser import browser  # noqa: F401
from pretended_studies import store  # noqa: F401
