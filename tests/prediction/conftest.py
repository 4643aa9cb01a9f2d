"""The fixtures of this folder."""

from predicted_trials import space  # noqa: F401
