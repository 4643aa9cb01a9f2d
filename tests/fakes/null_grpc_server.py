"""A gRPC server with Triton's ModelInfer and ModelStreamInfer that does nothing; the model's name says how it
behaves.

Run as a script it prints its port. The line ``count`` on standard input makes it print its counters as JSON,
``reset`` starts them afresh.
"""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from tritonclient.grpc import service_pb2

HICCUP_S = 0.2
ZERO = {"requests": 0, "outstanding": 0, "max_outstanding": 0, "connections": 0, "bytes": 0}
COUNTERS = ZERO.copy()
_LOCK = threading.Lock()
_HICCUP = threading.Lock()
_PEERS = set()


def _infer(request, context):
    with _counted(request, context) as number:
        behaviour, _, argument = request.model_name.partition("-")
        return _BEHAVIOURS[behaviour](context, argument, number)


def _stream_infer(requests, context):
    for request in requests:
        with _counted(request, context) as number:
            behaviour, _, argument = request.model_name.partition("-")
            yield from _STREAM_BEHAVIOURS[behaviour](context, argument, number)


@contextmanager
def _counted(request, context):
    """Counts a request as outstanding while it is answered; its number."""
    with _LOCK:
        _PEERS.add(context.peer())
        counters = COUNTERS
        counters["connections"] = len(_PEERS)
        counters["requests"] += 1
        counters["outstanding"] += 1
        counters["bytes"] += sum(map(len, request.raw_input_contents))
        counters["max_outstanding"] = max(counters["max_outstanding"], counters["outstanding"])
        number = counters["requests"]
    try:
        yield number
    finally:
        with _LOCK:
            counters["outstanding"] -= 1


def _ok(_context, _argument, _number):
    return service_pb2.ModelInferResponse()


def _delay(_context, milliseconds, _number):
    time.sleep(float(milliseconds) / 1e3)
    return service_pb2.ModelInferResponse()


def _hiccup(_context, _argument, number):
    with _HICCUP:
        if number == 100:
            time.sleep(HICCUP_S)
    return service_pb2.ModelInferResponse()


def _refuse(context, _argument, _number):
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'x'")


def _sometimes(context, _argument, number):
    if number % 4 == 0:
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
    return service_pb2.ModelInferResponse()


def _large(_context, _argument, _number):
    return service_pb2.ModelInferResponse(raw_output_contents=[b"x" * 6_000_000])


def _stall(context, _argument, _number):
    ended = threading.Event()
    context.add_callback(ended.set)
    ended.wait(20)
    return service_pb2.ModelInferResponse()


def _die(_context, count, number):
    if number >= int(count):
        os._exit(1)
    return service_pb2.ModelInferResponse()


_BEHAVIOURS = {
    "ok": _ok,
    "delay": _delay,
    "hiccup": _hiccup,
    "refuse": _refuse,
    "sometimes": _sometimes,
    "large": _large,
    "stall": _stall,
    "die": _die,
}


def _response(size=16):
    return service_pb2.ModelStreamInferResponse(
        infer_response=service_pb2.ModelInferResponse(model_name="m", raw_output_contents=[b"x" * size])
    )


def _tokens(_context, count, _number):
    """That many responses, the first after 20 ms and each after another 20 ms."""
    for _ in range(int(count)):
        time.sleep(0.02)
        yield _response()


def _long(_context, count, _number):
    for _ in range(int(count)):
        yield _response(300_000)


def _tell_error(_context, _argument, _number):
    yield _response()
    yield service_pb2.ModelStreamInferResponse(error_message="out of  tokens")


def _end_badly(context, _argument, _number):
    yield _response()
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "100% of the caché is taken")


_STREAM_BEHAVIOURS = {
    "tokens": _tokens,
    "long": _long,
    "tellerror": _tell_error,
    "endbadly": _end_badly,
}


def _serve():
    server = grpc.server(
        ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    )
    handlers = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(
            _infer,
            request_deserializer=service_pb2.ModelInferRequest.FromString,
            response_serializer=service_pb2.ModelInferResponse.SerializeToString,
        ),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(
            _stream_infer,
            request_deserializer=service_pb2.ModelInferRequest.FromString,
            response_serializer=service_pb2.ModelStreamInferResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)  # noqa: T201
    server.start()
    global COUNTERS  # noqa: PLW0603 - requests under way keep counting in the old ones
    for question in sys.stdin:
        if question == "reset\n":
            with _LOCK:
                COUNTERS = ZERO.copy()
                _PEERS.clear()
        print(json.dumps(COUNTERS), flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    _serve()
