"""Answers the AgentCore clients of a boto3 session inside the process, without a socket."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from .contract import CONTROL_PLANE, DATA_PLANE, Request
from .faults import ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .service import Service

_REGION_IN_HOST = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.")


class _Body:
    """A response body in memory, of the kind botocore reads from urllib3."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content

    def read(self, _amount: int | None = None) -> bytes:
        content, self._content = self._content, b""
        return content


class _EmbeddedSession(botocore.session.Session):
    """A botocore session that needs no AWS configuration for the two AgentCore services.

    Other services' clients are made as in any session: with the user's own credentials, over the network.
    """

    def create_client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        if service_name in (DATA_PLANE, CONTROL_PLANE):
            # Given explicitly, so that no credential provider (some ask the network) is consulted.
            kwargs["aws_access_key_id"] = kwargs["aws_secret_access_key"] = "embedded"
            kwargs["aws_session_token"] = None
        return super().create_client(service_name, *args, **kwargs)


def boto_session(service: Service, region: str, account: str) -> boto3.Session:
    """A session whose AgentCore clients talk to a service in this process.

    Args:
        service: Answers the calls.
        region: The session's region.
        account: The account its clients act for.

    Returns:
        A boto3 session; clients made from it are thread-safe, as boto3's are.
    """
    session = _EmbeddedSession()
    if session.get_config_variable("data_path") is None:
        # Reading the models again for every session would take longer than anything else here.
        session.register_component("data_loader", service.contract.loader)

    def answer(request: AWSPreparedRequest, **_kwargs: Any) -> Any:
        _, _, rest = request.url.split("/", 2)
        host, _, target = rest.partition("/")
        path, _, query = target.partition("?")
        found = _REGION_IN_HOST.search(host)
        body: Any = request.body or b""
        try:
            response = service.handle(
                Request(
                    method=request.method,
                    path=f"/{path}",
                    query=query,
                    body=body.encode() if isinstance(body, str) else body,
                    region=found.group(1) if found else region,
                    account=account,
                )
            )
        except ConnectionLostError as lost:
            if lost.timed_out:
                raise ReadTimeoutError(endpoint_url=request.url, error=lost) from lost
            raise ConnectionClosedError(endpoint_url=request.url, error=lost) from lost
        headers: Any = {"x-amzn-RequestId": str(uuid.uuid4()), **response.headers}
        return AWSResponse(request.url, response.status, headers, _Body(response.body))

    def unsigned(**_kwargs: Any) -> Any:
        return botocore.UNSIGNED

    for name in (DATA_PLANE, CONTROL_PLANE):
        session.register(f"before-send.{name}.*", cast("Any", answer))
        session.register(f"choose-signer.{name}.*", unsigned)
    return boto3.Session(botocore_session=session, region_name=region)
