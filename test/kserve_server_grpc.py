# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`kserve_server.Remote` by gRPC: tritonclient's generated servicer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from kserve_server import Fault, Remote, Seen
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from triton_ros.backends.kserve.tensor_bytes import from_bytes, to_bytes
from triton_ros.core.errors import Code, TritonError
from triton_ros.core.request import Cancellation, InferenceResponse
from triton_ros.core.tensor import datatype_of

GRPC_CODES = {
    Code.INVALID_ARG: grpc.StatusCode.INVALID_ARGUMENT,
    Code.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Code.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Code.UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
}


def _value(parameter: Any) -> Any:
    return getattr(parameter, parameter.WhichOneof("parameter_choice"))


class GrpcServer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._server = grpc.server(ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0)])
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        address = f"127.0.0.1:{remote.port}"
        if remote.credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, remote.credentials)
        assert self.port, f"{address} is taken"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait(10)

    def ModelReady(self, request: Any, context: Any) -> Any:
        return pb.ModelReadyResponse(ready=self._remote.is_ready(request.name, request.version))

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            return pb.ModelMetadataResponse(**self._remote.describe(request.name, request.version))

    def ModelConfig(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            config = self._remote.config(request.name, request.version)
            return pb.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: Any) -> Any:
        with _grpc_errors(context):
            (response,) = self._answers(request, context)
            return response

    def ModelStreamInfer(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            try:
                for response in self._answers(request, context):
                    yield pb.ModelStreamInferResponse(infer_response=response)
            except (TritonError, Fault) as error:
                if isinstance(error, Fault) and isinstance(error.status, str):
                    context.abort(getattr(grpc.StatusCode, error.status), str(error))
                yield pb.ModelStreamInferResponse(error_message=str(error))
            final = pb.ModelInferResponse(model_name=request.model_name)
            final.parameters["triton_final_response"].bool_param = True
            yield pb.ModelStreamInferResponse(infer_response=final)

    def _answers(self, request: Any, context: Any) -> Iterator[Any]:
        token = Cancellation()

        def ended() -> None:
            if not token.cancelled:
                self._remote.cancelled.set()
            token.cancel()

        context.add_callback(ended)
        inputs = {
            tensor.name: from_bytes(tensor.name, tensor.datatype, tensor.shape, raw)
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        seen = Seen(
            request.model_name,
            request.model_version,
            {name: _value(p) for name, p in request.parameters.items()},
            dict(context.invocation_metadata()),
            inputs,
            tuple(output.name for output in request.outputs),
            request.id,
        )
        for response in self._remote.infer(seen, token):
            yield _grpc_response(seen, response)
        token.cancel()


def _grpc_response(seen: Seen, response: InferenceResponse) -> Any:
    message = pb.ModelInferResponse(model_name=seen.model, id=response.id)
    for name, value in response.parameters.items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
        setattr(message.parameters[name], kind, value)
    for name, array in response.outputs.items():
        message.outputs.add(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
        message.raw_output_contents.append(bytes(to_bytes(name, array)))
    return message


@contextlib.contextmanager
def _grpc_errors(context: Any) -> Iterator[None]:
    try:
        yield
    except Fault as error:
        context.abort(getattr(grpc.StatusCode, str(error.status)), str(error))
    except TritonError as error:
        context.abort(GRPC_CODES.get(error.code, grpc.StatusCode.INTERNAL), str(error))
