"""Injects failures on demand, so that tests can cover outages.

Faults act on the embedded service whichever way it is reached. In process, a lost connection is the exception that
botocore raises for one, so botocore's own retries see it; over HTTP the connection is really aborted.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from .contract import Operation, Response
from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

FaultKind = Literal[
    "throttle",
    "server_error",
    "access_denied",
    "conflict",
    "timeout",
    "latency",
    "reset",
    "malformed",
    "lost_response",
    "squeezed_scores",
]
KINDS: tuple[str, ...] = (
    "throttle", "server_error", "access_denied", "conflict", "timeout", "latency", "reset", "malformed",
    "lost_response", "squeezed_scores",
)  # fmt: skip
_SPARING = frozenset(("latency", "squeezed_scores"))  # with these a call is still carried out and answered
# Error codes of a kind, in order of preference: the operation's own model decides which one it can answer with.
_CODES = {
    "throttle": ("ThrottledException", "ThrottlingException"),
    "server_error": ("ServiceException", "InternalServerException"),
    "access_denied": ("AccessDeniedException",),
    "conflict": ("RetryableConflictException", "ConflictException"),
}
ANY = "*"


class ConnectionLostError(Exception):
    """The caller is to see no answer.

    Args:
        timed_out: True for silence until the caller gives up, False for a connection reset.
        seconds: How long a server keeps silent before it drops the connection.
    """

    def __init__(self, *, timed_out: bool, seconds: float) -> None:
        super().__init__("timed out" if timed_out else "connection reset")
        self.timed_out = timed_out
        self.seconds = seconds


@dataclass(slots=True)
class Fault:
    """A fault in force; a context manager that takes it away at the end.

    Attributes:
        kind: The kind of failure.
        operation: Operation it happens to, ``"*"`` for every one.
        count: How many times it still happens at most; None for any number.
        probability: Chance that it happens to a matching call.
        seconds: Length of a latency or of a server's silence.
        scores: Lowest and highest score of a search.
        fired: How many times it has happened.
    """

    kind: str
    operation: str
    count: int | None
    probability: float
    seconds: float
    scores: tuple[float, float]
    remove: Callable[[], None] = field(repr=False)
    fired: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.remove()


class Faults:
    """The faults of one embedded service. Safe to use from several threads.

    Args:
        seed: Seed of the chances, so that a run can be repeated.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chances of faults, not secrets
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def inject(
        self,
        kind: FaultKind,
        operation: str = ANY,
        *,
        count: int | None = None,
        probability: float = 1.0,
        seconds: float = 0.0,
        scores: tuple[float, float] = (0.356, 0.496),
    ) -> Fault:
        """Let calls fail, or be answered otherwise than usual, from now on.

        Args:
            kind: ``throttle`` (429), ``server_error`` (500), ``access_denied`` (403), ``conflict`` (409): the call is
                not carried out. ``timeout``, ``reset``: not carried out and no answer. ``latency``: carried out
                after `seconds`. ``malformed``: carried out, and answered with broken JSON. ``lost_response``:
                carried out, and the connection is lost before the answer. ``squeezed_scores``: a search is carried
                out, and its scores, which are between 0 and 1, are moved between `scores`.
            operation: Name of an operation such as ``"CreateEvent"``, or ``"*"``.
            count: At most so many times; any number when None.
            probability: Chance for each matching call, 0 to 1.
            seconds: For ``latency`` its length; for ``timeout`` over HTTP, how long the server keeps silent
                before it drops the connection (in process the caller's time-out comes at once).
            scores: For ``squeezed_scores``, the scores that stand for 0 and 1; those measured on a live store unless
                given.

        Returns:
            The fault: ``fired`` counts, ``remove()`` or leaving a ``with`` block takes it away.

        Raises:
            ValueError: An unknown kind, or a number out of range.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault kind {kind!r}: one of {', '.join(KINDS)}")
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"probability must be between 0 and 1, got {probability}")
        if (count is not None and count < 1) or seconds < 0:
            raise ValueError(f"count must be at least 1 and seconds not negative, got {count} and {seconds}")
        if not scores[0] < scores[1]:
            raise ValueError(f"scores must be a lower and a higher number, got {scores}")
        fault = Fault(kind, operation, count, probability, seconds, scores, remove=lambda: self._remove(fault))
        with self._lock:
            self._faults.append(fault)
        return fault

    def seed(self, seed: int) -> None:
        """Start the chances anew."""
        with self._lock:
            self._random.seed(seed)

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._faults.clear()

    def _remove(self, fault: Fault) -> None:
        with self._lock:
            if fault in self._faults:
                self._faults.remove(fault)

    def _firing(self, operation: str) -> list[Fault]:
        firing = []
        with self._lock:
            for fault in list(self._faults):
                if fault.operation not in (ANY, operation) or fault.count == 0:
                    continue
                if fault.probability < 1.0 and self._random.random() >= fault.probability:
                    continue
                fault.fired += 1
                if fault.count is not None:
                    fault.count -= 1
                firing.append(fault)
                if fault.kind not in _SPARING:
                    break  # a call fails in one way at a time
        return firing

    def around(self, operation: Operation, carry_out: Callable[[], Response]) -> Response:
        """Carry a call out, with the due fault if there is one.

        Raises:
            ServiceError: The call is answered with an error.
            ConnectionLostError: The call is not answered.
        """
        if not self._faults:
            return carry_out()
        firing = self._firing(operation.name)
        for fault in firing:
            if fault.kind == "latency":
                time.sleep(fault.seconds)
            elif fault.kind in _CODES:
                known = {shape.name for shape in operation.model.error_shapes}
                code = next((code for code in _CODES[fault.kind] if code in known), _CODES[fault.kind][0])
                raise ServiceError(code, f"Injected fault: {fault.kind}")
            elif fault.kind in ("timeout", "reset"):
                raise ConnectionLostError(timed_out=fault.kind == "timeout", seconds=fault.seconds)
            elif fault.kind != "squeezed_scores":
                response = carry_out()
                if fault.kind == "lost_response":
                    raise ConnectionLostError(timed_out=False, seconds=0.0)
                return Response(response.status, response.headers, b'{"broken": [')
        response = carry_out()
        for fault in firing:
            if fault.kind == "squeezed_scores":
                response = _squeezed(response, fault.scores)
        return response


def _squeezed(response: Response, scores: tuple[float, float]) -> Response:
    """The answer to a search with its scores moved from between 0 and 1 to between two others; other answers as is."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return response
    low, high = scores
    for summary in body.get("memoryRecordSummaries", ()) if isinstance(body, dict) else ():
        if "score" in summary:
            summary["score"] = round(low + (high - low) * summary["score"], 6)
    return Response(response.status, response.headers, json.dumps(body, ensure_ascii=False).encode())
