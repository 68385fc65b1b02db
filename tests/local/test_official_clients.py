"""The official clients run on the embedded service as they are, over both transports.

With AGENTMEM_TEST_AWS=1 the same stories run against a real account (see conftest.py).
"""

import asyncio
import uuid

import pytest
from bedrock_agentcore.memory import MemoryClient, MemoryControlPlaneClient
from bedrock_agentcore.memory.constants import ConversationalMessage, MessageRole
from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig, RetrievalConfig
from bedrock_agentcore.memory.integrations.strands.memorystore import AgentCoreMemoryStore
from bedrock_agentcore.memory.integrations.strands.session_manager import AgentCoreMemorySessionManager
from bedrock_agentcore.memory.session import MemorySessionManager
from memory_api import ALL_STRATEGIES, SEMANTIC
from strands import Agent

from agentmem.testing import ScriptedModel

REGION = "us-west-2"


@pytest.fixture
def client(place):
    return MemoryClient(region_name=REGION, boto3_session=place.session)


@pytest.fixture
def memory_id(place):
    return place.new_memory(*ALL_STRATEGIES)


@pytest.fixture
def user():
    return f"user-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def session_id():
    return f"session-{uuid.uuid4().hex}"


class TestMemoryClient:
    def test_conversations(self, client, memory_id, user, session_id):
        event = client.create_event(memory_id, user, session_id, [("I live in Porto.", "USER"), ("Nice!", "ASSISTANT")])
        client.save_conversation(memory_id, user, session_id, [("I like tea.", "USER"), ("Noted.", "ASSISTANT")])
        client.create_blob_event(memory_id, user, session_id, {"state": {"step": 3}})
        client.create_event(memory_id, user, session_id, [("Bye.", "USER")], metadata={"kind": {"stringValue": "end"}})
        assert len(client.list_events(memory_id, user, session_id)) == 4
        expression = {"left": {"metadataKey": "kind"}, "operator": "EXISTS"}
        assert len(client.list_events(memory_id, user, session_id, event_metadata=[expression])) == 1
        turns = client.get_last_k_turns(memory_id, user, session_id, k=1)
        assert turns[0][0]["content"]["text"] == "Bye."
        assert client.get_event(memoryId=memory_id, actorId=user, sessionId=session_id, eventId=event["eventId"])
        assert (
            client.list_sessions(memory_id=memory_id, actor_id=user)["sessionSummaries"][0]["sessionId"] == session_id
        )
        assert user in {actor["actorId"] for actor in client.list_actors(memoryId=memory_id)["actorSummaries"]}

    def test_branches(self, client, memory_id, user, session_id):
        root = client.create_event(memory_id, user, session_id, [("one", "USER"), ("eins", "ASSISTANT")])
        client.create_event(memory_id, user, session_id, [("two", "USER"), ("zwei", "ASSISTANT")])
        client.fork_conversation(memory_id, user, session_id, root["eventId"], "other", [("deux", "USER")])
        client.save_conversation(memory_id, user, session_id, [("trois", "USER")], branch={"name": "other"})
        branches = {branch["name"]: branch for branch in client.list_branches(memory_id, user, session_id)}
        assert branches["main"]["eventCount"] == 2
        assert branches["other"]["eventCount"] == 2
        assert branches["other"]["rootEventId"] == root["eventId"]
        # The client takes events without a branch for those of the main one, and there are none on AWS either.
        assert client.list_branch_events(memory_id, user, session_id) == []
        assert len(client.list_branch_events(memory_id, user, session_id, "other")) == 2
        assert len(client.list_branch_events(memory_id, user, session_id, "other", include_parent_branches=True)) == 3
        tree = client.get_conversation_tree(memory_id, user, session_id)
        assert len(tree["main_branch"]["branches"]["other"]["events"]) == 2
        assert "one" in {
            message["content"] for message in client.merge_branch_context(memory_id, user, session_id, "other")
        }

    def test_long_term_memory(self, client, place, memory_id, user, session_id):
        client.create_event(memory_id, user, session_id, [("I live in Porto and I love green tea.", "USER")])
        place.settle(memory_id, f"/users/{user}/facts/")
        assert client.wait_for_memories(memory_id, f"/users/{user}/facts/", max_wait=1, poll_interval=1)
        found = client.retrieve_memories(
            memory_id, namespace=f"/users/{user}/facts/", query="Where does the user live?"
        )
        assert "Porto" in found[0]["content"]["text"]
        below = client.retrieve_memories(memory_id, namespace_path=f"/users/{user}/", query="favourite drink")
        assert any("tea" in record["content"]["text"] for record in below)
        [job_list] = [client.list_memory_extraction_jobs(memoryId=memory_id)["jobs"]]
        assert job_list == []

    def test_a_turn_with_a_language_model(self, client, memory_id, user, session_id):
        memories, answer, event = client.process_turn_with_llm(
            memory_id, user, session_id, "Hello", lambda text, memories: f"You said {text}"
        )
        assert (memories, answer) == ([], "You said Hello")
        assert len(event["payload"]) == 2

    def test_resources_and_strategies(self, client, place):
        name = f"gauntlet_{uuid.uuid4().hex[:8]}"
        memory = client.create_memory_and_wait(name, [SEMANTIC], poll_interval=place.poll)
        memory_id = memory["id"]
        assert client.create_or_get_memory(name, [SEMANTIC])["id"] == memory_id
        assert memory_id in {memory["id"] for memory in client.list_memories()}
        assert client.get_memory_status(memory_id) == "ACTIVE"
        client.add_summary_strategy_and_wait(
            memory_id, "sums", namespace_templates=["/s/{actorId}/{sessionId}/"], poll_interval=place.poll
        )
        client.add_user_preference_strategy_and_wait(
            memory_id, "prefs", namespace_templates=["/p/{actorId}/"], poll_interval=place.poll
        )
        client.add_semantic_strategy_and_wait(
            memory_id, "more", namespace_templates=["/m/{actorId}/"], poll_interval=place.poll
        )
        client.add_episodic_strategy_and_wait(
            memory_id,
            "episodes",
            namespace_templates=["/e/{actorId}/{sessionId}/"],
            reflection_namespace_templates=["/e/{actorId}/"],
            poll_interval=place.poll,
        )
        strategies = {strategy["name"]: strategy for strategy in client.get_memory_strategies(memory_id)}
        assert {name: strategy["memoryStrategyType"] for name, strategy in strategies.items()} == {
            "facts": "SEMANTIC",
            "sums": "SUMMARIZATION",
            "prefs": "USER_PREFERENCE",
            "more": "SEMANTIC",
            "episodes": "EPISODIC",
        }
        client.modify_strategy(memory_id, strategies["more"]["strategyId"], description="changed")
        client.update_memory_strategies_and_wait(
            memory_id, delete_strategy_ids=[strategies["sums"]["strategyId"]], poll_interval=place.poll
        )
        client.delete_strategy(memory_id, strategies["prefs"]["strategyId"])
        left = {strategy["name"]: strategy for strategy in client.get_memory_strategies(memory_id)}
        assert set(left) == {"facts", "more", "episodes"}
        assert left["more"]["description"] == "changed"
        client.delete_memory_and_wait(memory_id, poll_interval=place.poll)
        assert memory_id not in {memory["id"] for memory in client.list_memories()}

    def test_custom_strategies(self, client, place, memory_id):
        step = {"prompt": "Extract carefully.", "modelId": "anthropic.claude-3-haiku-20240307-v1:0"}
        if place.is_aws:
            pytest.skip("custom strategies need an execution role in the account")
        client.add_custom_semantic_strategy_and_wait(
            memory_id, "own", step, step, namespace_templates=["/own/{actorId}/"], poll_interval=place.poll
        )
        client.add_custom_episodic_strategy_and_wait(
            memory_id,
            "ownepisodes",
            step,
            step,
            {**step, "namespaceTemplates": ["/own/"]},
            namespace_templates=["/own/{actorId}/{sessionId}/"],
            poll_interval=place.poll,
        )
        own = {strategy["name"]: strategy for strategy in client.get_memory_strategies(memory_id)}
        assert own["own"]["configuration"]["type"] == "SEMANTIC_OVERRIDE"
        override = own["own"]["configuration"]["extraction"]["customExtractionConfiguration"]
        assert override["semanticExtractionOverride"]["appendToPrompt"] == "Extract carefully."
        assert own["ownepisodes"]["configuration"]["type"] == "EPISODIC_OVERRIDE"


def test_memory_session_manager(place, memory_id, user):
    manager = MemorySessionManager(memory_id, region_name=REGION, boto3_session=place.session)
    session = manager.create_memory_session(user)
    event = session.add_turns(
        [
            ConversationalMessage("I live in Porto.", MessageRole.USER),
            ConversationalMessage("Noted.", MessageRole.ASSISTANT),
        ]
    )
    session.add_turns([ConversationalMessage("I own a dog.", MessageRole.USER)])
    session.fork_conversation([ConversationalMessage("I own a cat.", MessageRole.USER)], event.eventId, "other")
    assert len(session.list_events()) == 3
    assert {branch.name for branch in session.list_branches()} == {"main", "other"}
    assert session.get_last_k_turns(k=1, branch_name="main")[0][0]["content"]["text"]
    assert session.get_event(event.eventId).eventId == event.eventId
    assert [found.sessionId for found in session.get_actor().list_sessions()] == [session._session_id]
    place.settle(memory_id, f"/users/{user}/facts/")
    facts = session.list_long_term_memory_records(namespace=f"/users/{user}/facts/")
    assert any("Porto" in record.content["text"] for record in facts)
    [best] = session.search_long_term_memories("Where is home?", namespace_path=f"/users/{user}/", top_k=1)
    assert session.get_memory_record(best.memoryRecordId)["memoryRecordId"] == best.memoryRecordId
    session.delete_memory_record(best.memoryRecordId)
    removed = manager.delete_all_long_term_memories_in_namespace(f"/users/{user}/facts/")
    assert removed["failedRecords"] == []
    session.delete_event(event.eventId)
    assert len(session.list_events()) == 2


def test_memory_control_plane_client(place):
    client = MemoryControlPlaneClient(region_name=REGION)
    memory = client.create_memory(
        f"plane_{uuid.uuid4().hex[:8]}", strategies=[SEMANTIC], wait_for_active=True, poll_interval=place.poll
    )
    memory_id = memory["id"]
    assert client.get_memory(memory_id)["status"] == "ACTIVE"
    client.update_memory(memory_id, description="described", event_expiry_days=60)
    client.add_strategy(
        memory_id,
        {"summaryMemoryStrategy": {"name": "sums", "namespaceTemplates": ["/s/{actorId}/{sessionId}/"]}},
        wait_for_active=True,
        poll_interval=place.poll,
    )
    strategies = {strategy["name"]: strategy["strategyId"] for strategy in client.get_memory(memory_id)["strategies"]}
    client.update_strategy(memory_id, strategies["facts"], namespace_templates=["/f/{actorId}/"])
    assert client.get_strategy(memory_id, strategies["facts"])["namespaceTemplates"] == ["/f/{actorId}/"]
    client.remove_strategy(memory_id, strategies["sums"])
    found = client.get_memory(memory_id)
    assert [strategy["name"] for strategy in found["strategies"]] == ["facts"]
    assert (found["description"], found["eventExpiryDuration"]) == ("described", 60)
    assert memory_id in {memory["id"] for memory in client.list_memories()}
    client.delete_memory(memory_id, wait_for_deletion=True, poll_interval=place.poll)
    assert memory_id not in {memory["id"] for memory in client.list_memories()}


def test_the_sdks_session_manager_restores_a_conversation_in_order(place, memory_id, user, session_id):
    def manager(**retrieval):
        config = AgentCoreMemoryConfig(memory_id=memory_id, session_id=session_id, actor_id=user, **retrieval)
        return AgentCoreMemorySessionManager(config, region_name=REGION, boto_session=place.session)

    first = Agent(
        model=ScriptedModel(["Hello Ana.", "Porto is lovely."]), session_manager=manager(), callback_handler=None
    )
    first("Hi, I am Ana.")
    first("I live in Porto.")
    place.settle(memory_id, f"/users/{user}/facts/")
    model = ScriptedModel(["In Porto."])
    retrieval = {f"/users/{user}/facts/": RetrievalConfig(top_k=3, relevance_score=0.2)}
    second = Agent(model=model, session_manager=manager(retrieval_config=retrieval), callback_handler=None)
    texts = [message["content"][0]["text"] for message in second.messages]
    assert texts == ["Hi, I am Ana.", "Hello Ana.", "I live in Porto.", "Porto is lovely."]
    second("Where do I live?")
    assert "I live in Porto." in str(model.requests[-1].messages[-1])


def test_the_sdks_memory_store(place, memory_id, user, session_id):
    store = AgentCoreMemoryStore(
        memory_id=memory_id,
        actor_id=user,
        session_id=session_id,
        namespace="/users/{actorId}/facts/",
        writable=True,
        region_name=REGION,
        boto3_session=place.session,
    )
    asyncio.run(store.add_messages([{"role": "user", "content": [{"text": "My sister is called Rita."}]}]))
    place.settle(memory_id, f"/users/{user}/facts/")
    found = asyncio.run(store.search("What is the sister's name?"))
    assert "Rita" in found[0].content


def test_boto3_paginators_and_the_waiter(place, user, session_id):
    control = place.session.client("bedrock-agentcore-control")
    data = place.session.client("bedrock-agentcore")
    memory_id = place.new_memory(SEMANTIC)
    control.get_waiter("memory_created").wait(memoryId=memory_id)
    records = [
        {
            "requestIdentifier": f"r{number}",
            "namespaces": [f"/facts/{user}/"],
            "content": {"text": f"The user owns bicycle number {number}."},
            "timestamp": 1_700_000_000,
        }
        for number in range(7)
    ]
    written = data.batch_create_memory_records(memoryId=memory_id, records=records)
    assert len(written["successfulRecords"]) == 7
    place.settle(memory_id, f"/facts/{user}/", count=7)
    pages = data.get_paginator("list_memory_records").paginate(
        memoryId=memory_id, namespace=f"/facts/{user}/", PaginationConfig={"PageSize": 3}
    )
    sizes = [len(page["memoryRecordSummaries"]) for page in pages]
    assert sizes == [3, 3, 1]
    pages = data.get_paginator("retrieve_memory_records").paginate(
        memoryId=memory_id,
        namespace=f"/facts/{user}/",
        searchCriteria={"searchQuery": "bicycle", "topK": 5},
        PaginationConfig={"PageSize": 2},
    )
    found = [record["memoryRecordId"] for page in pages for record in page["memoryRecordSummaries"]]
    assert len(found) == len(set(found)) == 5
    listed = control.get_paginator("list_memories").paginate(PaginationConfig={"PageSize": 1})
    assert memory_id in {memory["id"] for page in listed for memory in page["memories"]}
