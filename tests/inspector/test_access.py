"""The inspector answers to this machine, to who has the token, and to no other page; it changes nothing unasked."""

from __future__ import annotations

import logging

import pytest
from looked_at import BASE, TOKEN, browser, memory_of, read

from agentmem.inspector.access import new_token
from agentmem.inspector.pages.routes import PAGES, PARTS


@pytest.fixture(scope="module")
def memory():
    return memory_of()


@pytest.mark.parametrize("path", ["/", "/session?actor=ann&session=s-1", "/part/timeline?actor=ann&session=s-1"])
def test_without_the_token_nothing_is_told(memory, path):
    answer = browser(memory.config, signed_in=False).get(path)
    assert answer.status_code == 401
    assert "ann" not in answer.text
    assert "said" not in answer.text


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", TOKEN[:-1], "é"])
def test_another_token_opens_nothing(memory, token):
    answer = browser(memory.config, signed_in=False).get("/", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_token_leaves_the_address_and_opens_the_page_that_was_asked_for(memory):
    client = browser(memory.config, signed_in=False)
    answer = client.get(f"/session?actor=ann&token={TOKEN}&session=s-1")
    assert answer.headers["location"] == "/session?actor=ann&session=s-1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "user said 0.0" in client.get(answer.headers["location"]).text


def test_the_redirect_stays_on_this_server(memory):
    answer = browser(memory.config, signed_in=False).get(f"{BASE}//evil.example/x?token={TOKEN}")
    assert answer.headers["location"] == "/evil.example/x"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8766", "192.168.0.9", ""])
def test_a_host_of_somebody_elses_is_refused(memory, host):
    assert browser(memory.config).get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8766", "127.0.0.1:8766", "[::1]:8766"])
def test_the_names_of_this_machine_are_answered(memory, host):
    answer = browser(memory.config, signed_in=False).get(f"/?token={TOKEN}", headers={"Host": host})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/json", "Origin": "http://evil.example"},
        {"Content-Type": "application/json", "Origin": "null"},
        {"Content-Type": "application/json", "Origin": "http://127.0.0.1:9999"},
        {"Content-Type": "text/plain", "Origin": BASE},
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": BASE},
    ],
)
def test_what_another_page_posts_is_refused(memory, headers):
    client = browser(memory.config, writable=True)
    answer = client.post("/do/forget", content='{"actor": "ann"}', headers=headers)
    assert answer.status_code == 403
    assert "user said 0.0" in client.get(memory.place.link("/session")).text


@pytest.mark.parametrize("path", ["/do/forget", "/do/delete-record", "/do/forget/count", "/do/pin", "/chat/turn"])
def test_without_write_nothing_can_be_changed(memory, path):
    body = {"actor": "ann", "session": "s-1", "prompt": "x", "text": "x", "record": "mem-x"}
    answer = browser(memory.config).post(path, json=body, headers={"Origin": BASE})
    assert answer.status_code == 403
    assert "--write" in answer.json()["message"]


def test_without_write_no_page_offers_a_change(demo):
    client = browser(demo.config)
    for path in PAGES:
        _, tags = read(client.get(demo.long.link(path)).text)
        assert not [attrs for _, attrs in tags if "data-do" in attrs or "data-chat" in attrs], path


def test_every_answer_allows_nothing_but_its_own_files(demo):
    client = browser(demo.config, writable=True)
    for path in [*PAGES, *PARTS, "/static/inspector.js", "/nowhere"]:
        headers = client.get(demo.long.link(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        if not path.startswith("/static/"):
            assert headers["cache-control"] == "no-store"


def test_no_script_and_no_style_stands_inside_a_page(demo):
    client = browser(demo.config, writable=True)
    for path in [*PAGES, *PARTS]:
        for tag, attrs in read(client.get(demo.long.link(path, version=1, query="x")).text)[1]:
            assert tag != "style"
            assert tag != "script" or attrs["src"].startswith("/static/")
            assert not [name for name in attrs if name == "style" or name.startswith("on")]
            assert not attrs.get("href", "").startswith("javascript")


def test_message_text_is_in_no_log(demo, caplog):
    caplog.set_level(logging.DEBUG)
    client = browser(demo.config, writable=True)
    for path in [*PAGES, *PARTS]:
        client.get(demo.long.link(path, query="a question of mine", handle="a question of mine"))
    client.post(
        "/chat/turn", json={"actor": "ana", "session": "logs", "prompt": "a question of mine"}, headers={"Origin": BASE}
    )
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("agentmem")]
    assert not [line for line in ours if "a question of mine" in line or "Casa Azul" in line]


def test_tokens_are_long_and_never_the_same():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32
