"""Requests on the wire: payloads, schedules, HTTP and gRPC generators."""
