"""What windows are run for, in words."""

from __future__ import annotations

PURPOSES = {
    "warm-up": "warm-up (not counted)",
    "screen": "one request at a time",
    "sizes": "service times by batch size",
    "profile": "service times",
    "race": "quick check against the incumbent",
    "saturate": "saturation",
    "locate": "estimate of the sustainable rate",
    "certify": "certificate",
    "load": "given load",
}
"""A window's ``purpose`` to its words."""
