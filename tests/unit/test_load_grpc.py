from typing import ClassVar

from load_suite import LoadGeneratorSuite

from autotune.load import ClosedLoop


class TestGrpcInAWorker(LoadGeneratorSuite):
    protocol = "grpc"
    server_script = "null_grpc_server.py"
    refused_kind = "grpc INVALID_ARGUMENT"
    busy_kind = "grpc UNAVAILABLE"
    gone_kinds: ClassVar[set[str]] = {"grpc UNAVAILABLE", "timeout"}
    in_process = False

    def test_channels_are_separate_connections(self, server):
        with self.generator(server.port, "ok") as generator:
            generator.run(ClosedLoop(8), 0.2, 1.0)
        assert server.counters()["connections"] == 4
