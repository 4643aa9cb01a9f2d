"""The HTTP client: one thread, one epoll, prebuilt requests."""
