"""Colours by meaning, on a light and on a dark ground; they differ in lightness too, for prints in grey."""

from __future__ import annotations

PALETTE: dict[str, tuple[str, str]] = {
    "delivered": ("#0a58ca", "#6ea8fe"),
    "baseline": ("#b45309", "#fbbf24"),
    "rival": ("#0f766e", "#2dd4bf"),
    "rival2": ("#7c3aed", "#c4b5fd"),
    "feasible": ("#3b82c4", "#5b9bd5"),
    "pruned": ("#9aa3ad", "#6b7480"),
    "violated": ("#be185d", "#f472b6"),
    "front": ("#374151", "#d1d5db"),
    "limit": ("#be123c", "#fb7185"),
    "queue": ("#d97706", "#f59e0b"),
    "infer": ("#1d4ed8", "#60a5fa"),
    "input": ("#0e7490", "#22d3ee"),
    "output": ("#6d28d9", "#a78bfa"),
    "network": ("#6b7280", "#9ca3af"),
    "send": ("#65a30d", "#a3e635"),
    "receive": ("#9d174d", "#f9a8d4"),
    "ink": ("#1f2430", "#e6e8ec"),
    "grid": ("#dfe3e8", "#333a45"),
}
"""Name to its colour on white and on black."""
