"""Answers an HTTP request of either transport with an HTTP response."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from botocore import xform_name

from .calls import Call, RawJson
from .contract import Operation, Request, Response, contract
from .control import MemoryOperations
from .errors import ServiceError
from .events import EventOperations
from .extraction.engine import ExtractionEngine
from .faults import ConnectionLostError, Faults
from .jobs import JobOperations
from .records import RecordOperations
from .search import Ranking, SearchIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from .embedding import Embedder
    from .extraction.extractor import Extractor
    from .storage import Store

logger = logging.getLogger(__name__)


class Service:
    """Both planes of AgentCore Memory over one store.

    Args:
        store: The database.
        clock: Returns the service's time, epoch seconds.
        extraction_delay: Seconds from an event to its extraction.
        activation_delay: Seconds a new memory stays CREATING, and a changed one UPDATING.
        extractor: Makes long-term records.
        embedder: Makes vectors for search.
        ranking: How search ranks.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float],
        extraction_delay: float,
        activation_delay: float,
        extractor: Extractor,
        embedder: Embedder,
        ranking: Ranking,
    ) -> None:
        self.store = store
        self.clock = clock
        self.contract = contract()
        self.faults = Faults()
        self.engine = ExtractionEngine(store, extractor)
        groups = (
            MemoryOperations(store, activation_delay),
            EventOperations(store, extraction_delay),
            JobOperations(store, self.engine, extraction_delay),
            RecordOperations(store, self.engine, SearchIndex(store, embedder, ranking)),
        )
        self._handlers: dict[str, Callable[[Call], Any]] = {}
        for name in self.contract.operations:
            for group in groups:
                if hasattr(group, xform_name(name)):
                    self._handlers[name] = getattr(group, xform_name(name))

    def handle(self, request: Request) -> Response:
        """Answer a request; errors are answers too.

        Args:
            request: As it came over the wire.

        Returns:
            The HTTP response.

        Raises:
            ConnectionLostError: An injected fault wants the caller to see no answer.
        """
        operation: Operation | None = None
        try:
            operation, uri = self.contract.route(request.method, request.path)
            found = operation  # for the closure: this one is not None
            return self.faults.around(operation, lambda: self._carry_out(found, uri, request))
        except ServiceError as error:
            return self._refusal(operation, error)
        except ConnectionLostError:
            raise
        except Exception:
            logger.exception("the embedded service failed: operation=%s", operation.name if operation else None)
            code = "ServiceException"
            if operation and code not in {shape.name for shape in operation.model.error_shapes}:
                code = "InternalServerException"
            return self._refusal(operation, ServiceError(code, "The embedded service failed; its log has the reason"))

    def _carry_out(self, operation: Operation, uri: dict[str, str], request: Request) -> Response:
        params = operation.parse(uri, request.query, request.body)
        result = self._handlers[operation.name](
            Call(operation.name, params, request.region, request.account, self.clock())
        )
        if isinstance(result, RawJson):
            body = result.text
        else:
            shown = operation.serialize(result) if result is not None else None
            body = json.dumps(shown, ensure_ascii=False) if shown is not None else ""
        return Response(operation.status, {"Content-Type": "application/json"}, body.encode())

    def _refusal(self, operation: Operation | None, error: ServiceError) -> Response:
        status = self.contract.status_of(operation, error.code)
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        return Response(status, headers, json.dumps(error.body()).encode())
