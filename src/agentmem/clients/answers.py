"""Lets a boto3 client take only answers of the shape that its service's model gives."""

from __future__ import annotations

import functools
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

__all__ = ["NOT_OF_THE_SHAPE", "check_answers"]

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
    client._make_api_call = functools.partial(_call, client)


def _call(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = type(client)._make_api_call(client, operation, parameters)
    except (ClientError, BotoCoreError, ResponseParserError):
        raise
    except NOT_OF_THE_SHAPE as error:
        raise ResponseParserError(
            f"the answer of {operation} is not of its shape ({type(error).__name__}: {error})"
        ) from error
    shape = client.meta.service_model.operation_model(operation).output_shape
    missing = [name for name in (shape.required_members if shape is not None else ()) if name not in answer]
    if missing:
        raise ResponseParserError(f"the answer of {operation} has no {missing[0]!r}")
    return answer
