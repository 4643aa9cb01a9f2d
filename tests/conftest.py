"""Makes the shared suites beside this file importable."""
