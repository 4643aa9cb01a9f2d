"""Load generators in processes of their own."""
