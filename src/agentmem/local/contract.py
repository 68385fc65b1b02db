"""Reads AgentCore Memory's contract from the service model that botocore ships.

Routing, parsing, validating and serialising are all derived from ``service-2.json``: a limit that AWS changes there
changes here with the installed botocore. Nothing below knows an operation by name except `MEMORY_RESOURCES`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from .errors import ServiceError
from .validation import Check, Problem, compile_shape

DATA_PLANE = "bedrock-agentcore"
CONTROL_PLANE = "bedrock-agentcore-control"
ACCOUNT = "000000000000"
"""The account of callers that name no other."""
MEMORY_RESOURCES = ("/memories", "/tags/")  # the paths of the operations this service answers

_MAY_HOLD_SURROGATES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")

Serialize = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, whichever way it came.

    Attributes:
        method: Upper-case HTTP method.
        path: The path as sent: still percent-encoded, without the query.
        query: The query string as sent, without the question mark.
        body: The body as sent.
        region: AWS region of the call, in which it makes and finds memories.
        account: AWS account of the caller, to which its memories belong.
    """

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    region: str = "us-east-1"
    account: str = ACCOUNT


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: status, headers and body bytes."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the contract, compiled.

    Attributes:
        name: Name in the model, such as ``"CreateEvent"``.
        service: `DATA_PLANE` or `CONTROL_PLANE`.
        status: HTTP status of success.
        model: botocore's model of it.
    """

    name: str
    service: str
    status: int
    model: OperationModel
    check: Check
    serialize: Serialize
    uri_members: dict[str, str]
    query_members: dict[str, tuple[str, Shape]]
    body_members: frozenset[str]

    def parse(self, uri: dict[str, str], query: str, body: bytes) -> dict[str, Any]:
        """Read and validate a request.

        Args:
            uri: Decoded path parameters, by their name in the URI template.
            query: Raw query string.
            body: Raw body.

        Returns:
            The input structure: member name to value, timestamps as epoch seconds, unknown members dropped.

        Raises:
            ServiceError: ``ValidationException`` with reason ``CannotParse`` or ``FieldValidationFailed``.
        """
        params: dict[str, Any] = {}
        if self.body_members and body:
            params = _json_object(body)
        for location, member in self.uri_members.items():
            params[member] = uri[location]
        if self.query_members:
            params.update(self._parse_query(query))
        problems: list[Problem] = []
        params = self.check(params, "", problems)
        if problems:
            raise _refusal(problems)
        return params

    def _parse_query(self, query: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, text in parse_qsl(query, keep_blank_values=True):
            if key not in self.query_members:
                continue
            member, shape = self.query_members[key]
            if isinstance(shape, ListShape):
                found.setdefault(member, []).append(text)
            else:
                found[member] = text
        return found


class Contract:
    """The operations of both services that concern memory, with their routes.

    Attributes:
        loader: botocore's loader, with the two models in its cache.
        operations: Compiled operations by name.
        error_status: HTTP status by error code, per service.
    """

    def __init__(self) -> None:
        self.loader = Loader()
        self.models = {
            name: ServiceModel(self.loader.load_service_model(name, "service-2"), name)
            for name in (DATA_PLANE, CONTROL_PLANE)
        }
        self.operations: dict[str, Operation] = {}
        self.error_status: dict[tuple[str, str], int] = {}
        self._routes: dict[tuple[str, int], list[tuple[re.Pattern[str], Operation]]] = {}
        for service, model in self.models.items():
            checks: dict[str, Check] = {}
            for name in model.operation_names:
                operation_model = model.operation_model(name)
                if operation_model.http["requestUri"].startswith(MEMORY_RESOURCES):
                    self._add(service, operation_model, checks)

    def _add(self, service: str, model: OperationModel, checks: dict[str, Check]) -> None:
        shape = model.input_shape
        if shape is None:
            raise NotImplementedError(f"the service model has an operation without input: {model.name}")
        members = shape.members
        location = {name: member.serialization for name, member in members.items()}
        operation = Operation(
            name=model.name,
            service=service,
            status=model.http.get("responseCode", 200),
            model=model,
            check=compile_shape(shape, checks),
            serialize=_serializer(model.output_shape) if model.output_shape else _nothing,
            uri_members={at["name"]: name for name, at in location.items() if at.get("location") == "uri"},
            query_members={
                at["name"]: (name, members[name])
                for name, at in location.items()
                if at.get("location") == "querystring"
            },
            body_members=frozenset(name for name, at in location.items() if "location" not in at),
        )
        self.operations[model.name] = operation
        template = model.http["requestUri"].split("?")[0]
        pattern = re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template)))
        self._routes.setdefault((model.http["method"], template.count("/")), []).append((pattern, operation))
        for error in model.error_shapes:
            self.error_status[service, error.name] = error.metadata.get("error", {}).get("httpStatusCode", 400)

    def route(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Find the operation of a raw path.

        Args:
            method: HTTP method.
            path: Percent-encoded path; an encoded ``/`` or ``#`` belongs to the label it stands in.

        Returns:
            The operation and its decoded path parameters, by name in the URI template.

        Raises:
            ServiceError: ``UnknownOperationException`` (404) when nothing in the contract has this route.
        """
        for pattern, operation in self._routes.get((method, path.count("/")), ()):
            match = pattern.fullmatch(path)
            if match:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise ServiceError("UnknownOperationException", f"The embedded service has no operation {method} {path}")

    def status_of(self, operation: Operation | None, code: str) -> int:
        """HTTP status of an error code, as the model has it (400 for codes it does not know, 404 for no operation)."""
        if operation is None:
            return 404
        return self.error_status.get((operation.service, code), 400)


@lru_cache(maxsize=1)
def contract() -> Contract:
    """The contract, loaded once per process (reading botocore's model takes some 0.2 s)."""
    return Contract()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ServiceError(
            "ValidationException", f"The request body is not valid JSON: {error}", reason="CannotParse"
        ) from error
    if type(value) is not dict:
        raise ServiceError("ValidationException", "The request body must be a JSON object", reason="CannotParse")
    if _MAY_HOLD_SURROGATES.search(body) and not _is_unicode(value):
        raise ServiceError(
            "ValidationException", "The request body holds half of a surrogate pair", reason="CannotParse"
        )
    return value


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _refusal(problems: list[Problem]) -> ServiceError:
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
    sentences = "; ".join(
        f"Value at '{problem.path or '/'}' failed to satisfy constraint: {problem.message}" for problem in problems[:10]
    )
    reason = "CannotParse" if any(problem.unreadable for problem in problems) else "FieldValidationFailed"
    fields = tuple((problem.path or "/", problem.message) for problem in problems[:10])
    return ServiceError("ValidationException", count + sentences, reason=reason, fields=fields)


def _serializer(shape: Shape, known: dict[str, Serialize] | None = None) -> Serialize:
    """A function that keeps of a result what the output shape names, and drops what is None."""
    known = {} if known is None else known
    if shape.name not in known:
        known[shape.name] = lambda value: known[shape.name](value)  # noqa: PLW0108 - replaced by the next line
        known[shape.name] = _build_serializer(shape, known)
    return known[shape.name]


def _nothing(_: Any) -> None:
    return None


def _build_serializer(shape: Shape, known: dict[str, Serialize]) -> Serialize:
    if isinstance(shape, StructureShape) and not shape.is_document_type:
        members = [(name, _serializer(member, known)) for name, member in shape.members.items()]
        return lambda value: {name: write(value[name]) for name, write in members if value.get(name) is not None}
    if isinstance(shape, ListShape):
        member = _serializer(shape.member, known)
        return lambda value: [member(item) for item in value]
    if isinstance(shape, MapShape):
        item_of = _serializer(shape.value, known)
        return lambda value: {key: item_of(item) for key, item in value.items()}
    return lambda value: value
