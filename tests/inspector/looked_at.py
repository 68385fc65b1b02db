"""Memories to look at, and browsers that have signed in."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

from starlette.testclient import TestClient

from agentmem import MemoryConfig
from agentmem.inspector.application import application
from agentmem.inspector.chat import ChatSettings
from agentmem.inspector.views.place import Place
from agentmem.local import LocalMemory
from agentmem.testing import OfflineModel

TOKEN = "the-token-of-the-tests"
BASE = "http://127.0.0.1:8766"
CHAT = ChatSettings(lambda _name: OfflineModel())


def browser(config, *, writable=False, signed_in=True, chat=CHAT, token=TOKEN):
    """Return a client of the application, without a server."""
    client = TestClient(
        application(config, chat, token=token, writable=writable), base_url=BASE, follow_redirects=False
    )
    if signed_in:
        answer = client.get(f"/?token={token}")
        assert answer.status_code == 303
    return client


def stored(config, actor, session, events, *, per_event=2, start=datetime(2026, 1, 1, tzinfo=UTC)):
    """Write a session's events as the session manager does, straight to the service; return its texts, oldest first."""
    client = config.data_plane()
    said = []
    for number in range(events):
        payload = []
        for item in range(per_event):
            role = "user" if item == 0 else "assistant"
            text = f"{role} said {number}.{item} & <b>more</b>"
            said.append(text)
            message = {
                "message": {
                    "role": role,
                    "content": [{"text": text}],
                    "tracking_id": f"{session}-{number}-{item}",
                    **({"metadata": {"usage": _usage(100 + number)}} if role == "assistant" else {}),
                },
                "message_id": 0,
            }
            payload.append({"conversational": {"role": role.upper(), "content": {"text": json.dumps(message)}}})
        client.create_event(
            memoryId=config.memory_id,
            actorId=actor,
            sessionId=session,
            eventTimestamp=start + timedelta(seconds=number),
            payload=payload,
        )
    return said


def memory_of(actor="ann", session="s-1", *, events=3, **fields):
    """Return an embedded memory with one session."""
    service = LocalMemory(extraction_delay=10_000.0)
    config = MemoryConfig.local(service, **fields)
    said = stored(config, actor, session, events) if events else []
    return SimpleNamespace(config=config, place=Place(actor, session), said=said, service=service)


def _usage(tokens):
    return {"inputTokens": tokens, "outputTokens": 1, "totalTokens": tokens + 1}


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts = []
        self.tags = []

    def handle_data(self, data):
        self.texts.append(data)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def read(html):
    """Return the texts and the tags of some HTML."""
    parser = _Texts()
    parser.feed(html)
    parser.close()
    return parser.texts, parser.tags


def text_of(html):
    return "".join(read(html)[0])


def links(html, attribute):
    """Return the values of an attribute, in order."""
    return [attrs[attribute] for _, attrs in read(html)[1] if attribute in attrs]


def calls_of(html):
    """Return the calls to the service that a page says it made."""
    return int(re.search(r"This page made (\d+) call", text_of(html))[1])
