"""What no option may exceed, so that a slip of the keyboard cannot fill the memory or wait for years."""

from __future__ import annotations

MOST_NUMBER = 2**31
"""Above any number that an option takes."""

LONGEST_TEXT = 4096
"""Characters of an option's value: the longest path of Linux (PATH_MAX)."""

LONGEST_S = 366 * 86400.0
"""The longest duration, in seconds: timers of the system overflow at some hundred years."""

MOST_BYTES = 1024**5
"""The largest size: a pebibyte, more than any machine's memory."""

MOST_CONCURRENCY = 65_535
"""Outstanding requests: each takes a connection, and TCP has so many ports at one address."""

MOST_RATE_PER_S = 100_000_000
"""Requests offered a second (a guess: a thousand times what the load generator sends)."""
