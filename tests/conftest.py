"""Makes the shared suites beside this file importable, and Ctrl-C work in every test."""

import signal

# A shell starts what it puts into the background with the interrupt ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
