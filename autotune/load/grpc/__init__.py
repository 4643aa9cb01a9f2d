"""The gRPC client: one thread, one epoll, prebuilt frames over a few HTTP/2 connections."""
