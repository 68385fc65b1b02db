"""Names a remedy, in one sentence, for each error of AWS's clients that a user can correct."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIALS = "Sign in (`aws configure sso`, `aws login`) or set AWS_PROFILE."

DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
"""Codes that say: these credentials may not do this."""

REJECTED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Codes that say: these are no credentials, or none any more."""

_THROTTLED = frozenset({"ThrottledException", "ThrottlingException", "ProvisionedThroughputExceededException"})
_FAILING = frozenset({"ServiceException", "InternalServerException", "InternalServerError", "ServiceUnavailable"})
_ENDPOINTS = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
    "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL",
    "AWS_ENDPOINT_URL_DYNAMODB",
)
_NO_CREDENTIALS = (
    botocore_errors.NoCredentialsError,
    botocore_errors.PartialCredentialsError,
    botocore_errors.CredentialRetrievalError,
    botocore_errors.ProfileNotFound,
    botocore_errors.SSOError,
    botocore_errors.TokenRetrievalError,
)
_NO_CONNECTION = (botocore_errors.HTTPClientError, botocore_errors.ConnectionError)


def code_of(error: BaseException) -> str:
    """Return the error code a service answered with; empty for an error that is not a service's answer."""
    return (
        str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, botocore_errors.ClientError) else ""
    )


def other_endpoints() -> Mapping[str, str]:
    """Return the variables of the environment that lead the clients elsewhere than to AWS, and where."""
    return {name: os.environ[name] for name in _ENDPOINTS if os.environ.get(name)}


def remedy_of(error: BaseException) -> str:  # noqa: PLR0911 - one for each cause
    """Name the remedy for an error of a boto3 client.

    Args:
        error: The error of a call.

    Returns:
        A sentence; empty when the error's own message is all there is to say.
    """
    code = code_of(error)
    if isinstance(error, _NO_CREDENTIALS) or code in REJECTED:
        return f"{CREDENTIALS} An embedded memory (--local PATH) needs no credentials."
    if isinstance(error, botocore_errors.NoRegionError):
        return "Give --region, or set AWS_REGION."
    if isinstance(error, ResponseParserError):
        return f"Something that is not the service has answered.{_elsewhere()}"
    if isinstance(error, _NO_CONNECTION):
        return f"Check the network and the region.{_elsewhere()}"
    if code in DENIED:
        return "`agentmem iam-policy` prints the policy an agent needs, and with --operator and --setup a person's."
    if code in _THROTTLED or code in _FAILING:
        return "Try again in a while."
    if code == "ResourceNotFoundException":
        return "Check the id, the memory and the region."
    return ""


def _elsewhere() -> str:
    found = ", ".join(f"{name}={value}" for name, value in other_endpoints().items())
    return f" The environment leads elsewhere than to AWS: {found}." if found else ""
