"""Every constraint of the service model is enforced; the cases are made from the model, not typed."""

import json

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from memory_api import MemoryApi
from service_model import CONTROL_PLANE, DATA_PLANE, Case, boundary_values, cases, wrong_values

from agentmem.local import LocalMemory
from agentmem.local.contract import Request

WRONG = list(cases(wrong_values))
ALLOWED = list(cases(boundary_values))
RAW = Config(parameter_validation=False, retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def raw():
    with LocalMemory() as memory:
        yield MemoryApi(memory.boto_session(), config=RAW)


def call(raw, case):
    client = raw.control if case.service == CONTROL_PLANE else raw.data
    return getattr(client, xform_name(case.operation))(**case.params)


def complained_of(error):
    return [field["name"] for field in error.response.get("fieldList", [])]


def test_the_table_covers_every_operation_of_the_contract():
    assert len({case.operation for case in WRONG}) == 24
    assert len(WRONG) > 500
    assert len(ALLOWED) > 500


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.id)
def test_a_value_outside_its_constraint_is_refused(raw, case):
    with pytest.raises(ClientError) as refused:
        call(raw, case)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["reason"] == "FieldValidationFailed"
    assert any(name.startswith(case.path) for name in complained_of(refused.value))


def refusal_of(raw, case):
    try:
        call(raw, case)
    except ClientError as error:  # mostly that there is no such memory, which is another matter
        return error.response["Error"]["Message"]
    return ""


@pytest.mark.parametrize("case", ALLOWED, ids=lambda case: case.id)
def test_a_value_on_the_boundary_is_accepted(raw, case):
    assert "failed to satisfy constraint" not in refusal_of(raw, case)


def event(**changes):
    request = {"memoryId": "m-0123456789", "actorId": "a", "eventTimestamp": 0, "payload": [], **changes}
    return Case("CreateEvent", DATA_PLANE, "", "", request)


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ([{}], "/payload/0"),
        ([{"conversational": {"role": "USER"}}], "/payload/0/conversational/content"),
        ([{"conversational": {"role": "USER", "content": {}}}], "/payload/0/conversational/content"),
        ([{"blob": {}, "conversational": {"role": "USER", "content": {"text": "hi"}}}], "/payload/0"),
    ],
)
def test_unions_take_exactly_one_member_and_structures_all_required_ones(raw, payload, path):
    with pytest.raises(ClientError) as refused:
        call(raw, event(payload=payload))
    assert complained_of(refused.value) == [path]


def test_missing_required_members_are_named(raw):
    with pytest.raises(ClientError) as refused:
        call(raw, Case("CreateEvent", DATA_PLANE, "", "", {"memoryId": "m-0123456789"}))
    assert complained_of(refused.value) == ["/actorId", "/eventTimestamp", "/payload"]


def answer_to(memory, method, path, body):
    response = memory._service.handle(Request(method, path, body=body))
    return response.status, json.loads(response.body)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"text"', b'{"maxResults": NaN}', b'{"maxResults": "5"}', b'{"filter": []}']
)
def test_a_body_that_cannot_be_read_is_refused_as_such(memory, body):
    status, answer = answer_to(memory, "POST", "/memories/m-0123456789/actor/a/sessions/s", body)
    assert (status, answer["reason"]) == (400, "CannotParse")


def test_an_unknown_route_is_not_found(memory):
    status, _ = answer_to(memory, "GET", "/agents/", b"")
    assert status == 404


def test_unknown_members_and_nulls_are_passed_over(memory):
    body = b'{"maxResults": null, "somethingNew": 1}'
    status, answer = answer_to(memory, "POST", "/memories/m-0123456789/actor/a/sessions/s", body)
    assert (status, answer["message"]) == (404, "Memory not found: m-0123456789 in us-east-1")
