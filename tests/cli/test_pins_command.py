"""`agentmem pins` on the embedded service."""

from __future__ import annotations

from agentmem.messages.pinned import PINNED_TAG

WHOSE = ("--actor", "ann", "--session", "ann-1")


def test_a_pin_is_added_listed_and_removed(change):
    assert change.json("pins", "list", *WHOSE) == []
    added = change.json("pins", "add", "Never call [me] by phone.", *WHOSE)
    assert (added["text"], added["by"]) == ("Never call [me] by phone.", "application")
    assert change.json("pins", "list", *WHOSE) == [added]
    listed = change("pins", "list", *WHOSE)
    assert all(part in listed.stdout for part in (added["id"], "Never call [me] by phone.", "application"))
    assert change.json("pins", "remove", added["id"], *WHOSE) == {"removed": added["id"]}
    assert "nothing is pinned in session 'ann-1' of actor 'ann'" in change("pins", "list", *WHOSE).stdout


def test_context_shows_what_is_pinned_and_counts_it(change):
    before = change.json("context", *WHOSE)
    said = change("pins", "add", "Never call me by phone.", *WHOSE).stdout
    assert said.startswith("pinned as ")
    after = change.json("context", *WHOSE)
    assert (before["pins"], after["pins"]) == ([], ["Never call me by phone."])
    assert before["parts"]["pinned"] == 0
    assert after["tokens"] - before["tokens"] >= after["parts"]["pinned"] > 0
    full = change("context", *WHOSE, "--full").stdout
    assert "--- pinned\nNever call me by phone." in full
    assert PINNED_TAG not in full
    assert change("pins", "remove", said.split()[-1], *WHOSE).stdout.endswith("is no longer pinned\n")


def test_what_cannot_be_pinned_is_refused_with_the_reason(change):
    assert change("pins", "remove", "0a1b", *WHOSE).exception.args[0].startswith("there is no pin '0a1b' in session")
    refused = change("pins", "add", "word " * 30_000, *WHOSE)
    assert "20,000 is the most they may: a fifth of token_threshold = 100,000" in str(refused.exception)


def test_an_event_of_pins_is_listed_as_one(change):
    change("pins", "add", "Never call me by phone.", *WHOSE)
    assert change.json("events", "list", *WHOSE)[0]["holds"] == "pins"
