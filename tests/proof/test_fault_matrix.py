"""A part of the fault matrix, drawn anew for each seed; `make soak` runs all of it (bench/fault_matrix.py)."""

from __future__ import annotations

import json
import random

import pytest

from proof.lives import LIVES
from proof.matrix import Cell, Services, cells
from proof.wire import KILLED, KINDS, Strike, Wire, answer

SEED = 20261128
CELLS = 36


@pytest.fixture(scope="module")
def services(dynamodb_endpoint):
    with Services(dynamodb_endpoint) as opened:
        yield opened


def drawn(services, kinds, count):
    """Draw cells, each of another life as long as there are any."""
    chance = random.Random(SEED)
    lives = [chance.choice(sorted(LIVES)) for _ in range(count)] if count < len(LIVES) else sorted(LIVES)
    return [
        chance.choice(list(cells(services, [lives[number % len(lives)]], [chance.choice(kinds)])))
        for number in range(count)
    ]


def test_whatever_happens_to_one_call_nothing_is_lost_doubled_or_out_of_order(services):
    results = [services.run(cell) for cell in drawn(services, [kind for kind in KINDS if kind not in KILLED], CELLS)]
    assert {str(one.cell): one.problems for one in results if one.problems} == {}
    assert sum(one.operation is not None for one in results) > CELLS / 2


def test_a_process_that_is_killed_at_a_call_leaves_what_it_was_told_is_stored(services):
    results = [services.run(cell) for cell in drawn(services, KILLED, 4)]
    assert {str(one.cell): one.problems for one in results if one.problems} == {}
    assert any(one.operation is not None for one in results)


def test_a_loss_is_seen(services, monkeypatch):
    """A service that acknowledges an event and keeps none: the matrix must see it, or it proves nothing."""
    event = {
        "memoryId": "m", "actorId": "a", "sessionId": "s-1", "eventId": f"{2**60:019d}#0123abcd", "payload": [],
        "eventTimestamp": 1_700_000_000,
    }  # fmt: skip
    body = json.dumps({"event": event}).encode()
    monkeypatch.setattr(Wire, "_suffer", lambda _self, _kind, _service, request: answer(request.url, body))
    life = "manager, flush=turn, checkpoints: event log"
    created = [at for at, name in enumerate(services.calls_of(life), start=1) if name.endswith(".CreateEvent")]
    result = services.run(Cell(life, Strike("throttled", created[1])))  # the first one is the mark of the session
    assert any("lost" in one for one in result.problems)
