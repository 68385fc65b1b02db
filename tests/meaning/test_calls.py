"""Tells calls that do something from calls that look something up; no name here is one of the samples."""

from __future__ import annotations

import pytest

from agentmem.meaning.calls import does_something
from agentmem.meaning.loading import wait_until_ready


@pytest.fixture(scope="module")
def encoder():
    return wait_until_ready(60).encoder


CHANGES = (
    "cancel_subscription",
    "createPullRequest",
    "delete-rows",
    "send_sms",
    "issue_refund",
    "BookFlight",
    "update_phone_number",
    "rechnung_stornieren",
    "hand_off_to_human",
)
"""Written before they were tried; of three it is not sure."""


def test_most_calls_that_change_something_are_told(encoder):
    assert sum(does_something(name, encoder) for name in CHANGES) >= 6


@pytest.mark.parametrize(
    "name",
    [
        "get_subscription_details",
        "searchFlights",
        "list-rows",
        "read_sms",
        "find_customer_by_email",
        "check_stock_level",
        "fetch_weather",
        "buscar_hoteles",
        "rechnungen_anzeigen",
        "lookup",
        "getUserById",
        "",
        "查询",
        "x7",
    ],
)
def test_a_call_that_looks_something_up_never_is(encoder, name):
    assert not does_something(name, encoder)
