"""Lets a boto3 client take only answers of the shape that its service's model gives."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NOT_OF_THE_SHAPE", "ask", "check_answer", "check_answers"]

NOT_OF_THE_SHAPE = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What botocore's parsers raise when they meet JSON of another shape."""


def check_answers(client: Any) -> None:
    """Make every call of a client raise `ResponseParserError` for an answer that is none.

    botocore reads an empty body or ``null`` as an answer without members, which would pass for "there is nothing",
    and stumbles with an error of its own over JSON of another shape.

    Args:
        client: A boto3 client; changed in place.
    """
    # By its class at each call, so that who replaces the method there, as tests do, replaces it here, too.
    client._make_api_call = functools.partial(_call, client)  # noqa: SLF001 - botocore has no event for it


def _call(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    with _of_its_shape(operation):
        answer: dict[str, Any] = type(client)._make_api_call(client, operation, parameters)  # noqa: SLF001
    shape = client.meta.service_model.operation_model(operation).output_shape
    missing = next(_missing(shape, answer), None) if shape is not None else None
    if missing is not None:
        raise ResponseParserError(f"the answer of {operation} has no {missing!r}")
    return answer


@contextlib.contextmanager
def _of_its_shape(operation: str) -> Iterator[None]:
    """Turn what botocore's parser stumbles with over JSON of another shape into `ResponseParserError`."""
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError):
        raise
    except NOT_OF_THE_SHAPE as error:
        raise ResponseParserError(
            f"the answer of {operation} is not of its shape ({type(error).__name__}: {error})"
        ) from error


def _missing(shape: Any, answer: dict[str, Any]) -> Iterator[str]:
    """Yield the members that must be there and are not, of the answer and of the structures right in it.

    The models call the only member of an answer optional; without it the answer would say nothing at all.
    """
    for name in shape.required_members or (list(shape.members) if len(shape.members) == 1 else ()):
        if name not in answer:
            yield name
    for name, member in shape.members.items():
        if member.type_name == "structure" and isinstance(answer.get(name), dict):
            yield from (f"{name}.{inner}" for inner in member.required_members if inner not in answer[name])


def ask(client: Any, operation: str, member: str | None = None, **parameters: Any) -> dict[str, Any]:
    """Call the service, and take only an answer of the right shape.

    Args:
        client: The boto3 client.
        operation: Its method.
        member: What the answer must hold; None when the caller looks at it anyway.
        parameters: The operation's.

    Raises:
        ClientError: The service refused the call.
        BotoCoreError: The service could not be reached, or the call is malformed.
        ResponseParserError: The answer is none that the service would give.
    """
    with _of_its_shape(operation):  # the client may be somebody else's, which checks nothing itself
        answer: dict[str, Any] = getattr(client, operation)(**parameters)
    if member is not None:
        check_answer(answer, operation, member)
    return answer


def check_answer(answer: Mapping[str, Any], operation: str, member: str) -> None:
    """Refuse an answer without what it must hold.

    botocore makes an empty answer of a broken one, which would pass for an empty history.

    Raises:
        ResponseParserError: The member is missing.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get(member), (dict, list)):
        raise ResponseParserError(f"the answer of {operation} has no {member!r}")
