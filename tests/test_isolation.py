"""Whose memory it is: no id, variable or metadata value makes one actor's text reach another's agent."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from strands import Agent

from agentmem import HookConfig, MemoryConfig, Namespace, WriteConfig
from agentmem.errors import ConfigurationError, IdentityError
from agentmem.local import LocalMemory
from agentmem.testing import ScriptedModel
from gears import examples

NUMBERS = itertools.count()
NAMESPACES = (
    Namespace.semantic("facts", "/t/{tenant}/users/{actorId}/facts/", variables=("tenant",), relevance_score=0.0),
    Namespace.summary("summaries", "/t/{tenant}/summaries/{actorId}/{sessionId}/", variables=("tenant",)),
)
ids = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,12}", fullmatch=True) | st.sampled_from(
    ["bob", "bobby", "bob-", "Bob", "bob_facts", "facts", "users", "s1", "default"]
)
hierarchical = ids | st.sampled_from(["org/bob", "org/bobby", "org:bob", "org", "org/bob/facts", "org/bob:s1"])
tenants = st.sampled_from(["acme", "acme-users-bob", "users", "facts", "summaries"])
metadata = st.dictionaries(
    st.sampled_from(["app", "actorId", "sessionId", "user", "x-amz"]),
    st.sampled_from(["bob", "/users/bob/", "stateType=AGENT", "ann:s1", ""]),
    max_size=3,
)
people = st.tuples(hierarchical, ids, tenants, metadata)


@pytest.fixture(scope="module")
def config():
    return MemoryConfig.local(
        LocalMemory(), namespaces=NAMESPACES, hook=HookConfig(retrieve_timeout=20), hierarchical_actor_ids=True
    )


def bound(config, person):
    actor, session, tenant, more = person
    return config.replace(writes=WriteConfig(metadata=more)).bind(actor, session, {"tenant": tenant})


@settings(max_examples=examples(12))
@given(people, people)
@example(("bob", "s1", "acme", {}), ("bobby", "s1", "acme", {}))
@example(("org/bob", "s1", "acme", {}), ("org", "s1", "acme", {"actorId": "org/bob"}))
def test_nothing_an_actor_said_reaches_another_actor(config, one, other):
    assume(one[0] != other[0])
    word = f"zebra{next(NUMBERS)}"
    said = f"My dog is called {word}."
    try:
        mine, theirs = bound(config, one), bound(config, other)
    except (IdentityError, ConfigurationError):
        assume(False)  # noqa: FBT003 - an id that would share a namespace is refused
    for options in ({"hooks": [mine.hook()]}, {"session_manager": mine.session_manager()}):
        Agent(model=ScriptedModel([f"Hello {word}."]), callback_handler=None, **options)(said)
    assert any(word in record.text for record in mine.search("facts", said))

    manager, hook = theirs.session_manager(), theirs.hook()
    managed = Agent(model=ScriptedModel(["Yes."]), session_manager=manager, hooks=[hook], callback_handler=None)
    managed(f"What is my dog called, {word[:5]}?")
    hooked = Agent(model=ScriptedModel(["Yes."]), hooks=[theirs.hook()], callback_handler=None)
    hooked("What is my dog called?")
    shown = [request for agent in (managed, hooked) for request in agent.model.requests]
    assert word not in str([(request.system, request.messages) for request in shown])
    assert word not in str(manager.recall.by_words(said))
    assert word not in str([theirs.search(namespace.name, said) for namespace in NAMESPACES])
    listed = theirs.client.list_events(
        memoryId=theirs.memory_id, actorId=theirs.actor_id, sessionId=theirs.session_id, maxResults=100
    )
    assert word not in json.dumps(listed, default=str)


@settings(max_examples=examples(8))
@given(ids, ids, ids)
def test_nothing_said_in_one_session_is_restored_in_another(config, actor, one, other):
    assume(one != other)
    word = f"zebra{next(NUMBERS)}"
    mine, theirs = (config.bind(actor, f"{name}-{word}", {"tenant": "acme"}) for name in (one, other))
    for options in ({"hooks": [mine.hook()]}, {"session_manager": mine.session_manager()}):
        Agent(model=ScriptedModel(["Yes."]), callback_handler=None, **options)(f"The word is {word}.")
    manager = theirs.session_manager()
    managed = Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)
    hooked = Agent(model=ScriptedModel(), hooks=[theirs.hook()], callback_handler=None)
    assert (managed.messages, hooked.system_prompt) == ([], None)
    assert manager.recall.by_words(f"The word is {word}.") == []
