"""What MemoryHook saves of a real agent's turns, and what it does when that fails."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.hooks import BeforeModelCallEvent

from agentmem import HookConfig, MemoryConfig, Namespace, WriteConfig
from agentmem.errors import HistoryUnavailableError, UnsentMessagesError
from agentmem.testing import Reply, ScriptedModel, ToolCall
from hooked import Setup


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_a_turn_with_five_tool_calls_is_one_event_of_its_texts(setup):
    calls = [Reply("", [ToolCall("look", {"query": str(number)})]) for number in range(4)]
    agent = setup.agent(script=[Reply("Let me look.", [ToolCall("look", {"query": "x"})]), *calls, "It is blue."])
    agent("What colour is it?")
    assert setup.saved() == [
        [("USER", "What colour is it?"), ("ASSISTANT", "Let me look."), ("ASSISTANT", "It is blue.")]
    ]


def test_turns_are_saved_in_order(setup):
    agent = setup.agent(script=["One.", "Two."])
    agent("First?")
    agent("Second?")
    assert setup.saved() == [[("USER", "First?"), ("ASSISTANT", "One.")], [("USER", "Second?"), ("ASSISTANT", "Two.")]]


def test_thinking_reasoning_and_blank_texts_are_not_saved(setup):
    setup.agent(script=[Reply("<thinking>secret plan</thinking>Hello.", reasoning="secret")])("Hi <thinking> there")
    setup.agent(script=["<think>only thoughts</think>"])(" \n ")
    assert setup.saved() == [[("USER", "Hi <thinking> there"), ("ASSISTANT", "Hello.")]]


def test_thinking_is_saved_when_asked_for(setup):
    setup.agent(setup.hook(hook=HookConfig(strip_thinking=False)), ["<think>plan</think>Hello."])("Hi")
    assert setup.saved()[0][1] == ("ASSISTANT", "<think>plan</think>Hello.")


def test_only_the_roles_asked_for_are_saved(setup):
    setup.agent(setup.hook(hook=HookConfig(roles="user")))("Hi")
    assert setup.saved() == [[("USER", "Hi")]]


def test_a_direct_tool_call_is_not_saved(setup):
    agent = setup.agent()
    agent.tool.look(query="x")
    agent("Hi")
    assert setup.saved() == [[("USER", "Hi"), ("ASSISTANT", "Hello.")]]


def test_strands_own_request_for_structured_output_is_not_saved(setup):
    class Answer(BaseModel):
        colour: str

    agent = setup.agent(script=["It is blue.", ToolCall("Answer", {"colour": "blue"})])
    agent("What colour?", structured_output_model=Answer)
    assert setup.saved() == [[("USER", "What colour?"), ("ASSISTANT", "It is blue.")]]


def test_a_long_text_is_kept_whole(setup):
    agent = setup.agent(setup.hook(hook=HookConfig(retrieve=False)), ["Long."])
    agent("y" * 150_000 + "😀")
    [event] = setup.events()
    assert json.loads(event["payload"][0]["blob"]) == ["y" * 150_000 + "😀", "user"]


IMAGE = {"image": {"format": "png", "source": {"bytes": b"x"}}}
AWKWARD = {
    "an image only": ([IMAGE], "Nice.", ["Nice."]),
    "an image and a text": ([IMAGE, {"text": "My cat."}], "Nice.", ["My cat.", "Nice."]),
    "reasoning only": ([{"text": "Think."}], Reply("", reasoning="only thoughts"), ["Think."]),
    "blanks": ([{"text": " \n "}, {"text": "\u3000"}], "Yes?", ["Yes?"]),
    "blanks among others": ([{"text": ""}, {"text": "Kept."}, {"text": " "}], "Yes.", ["Kept.", "Yes."]),
    "emoji": ([{"text": "👩‍👩‍👧‍👦 and 🇺🇳"}], "😀", ["👩‍👩‍👧‍👦 and 🇺🇳", "😀"]),
    "a lone surrogate": ([{"text": "half \ud83d of one"}], "Yes.", ["half \ufffd of one", "Yes."]),
    "a document": ([{"document": {"format": "pdf", "name": "d", "source": {"bytes": b"x"}}}], "Read.", ["Read."]),
}


@pytest.mark.parametrize(("said", "answer", "kept"), AWKWARD.values(), ids=AWKWARD)
def test_awkward_messages_are_saved_or_skipped_and_restored(setup, said, answer, kept):
    setup.agent(setup.hook(hook=HookConfig(retrieve=False)), [answer])(said)
    assert [text for event in setup.saved() for _role, text in event] == kept
    prompt = setup.agent().system_prompt
    assert all(text in prompt for text in kept)
    restored = Agent(
        model=ScriptedModel(), session_manager=setup.config.bind("ann", "s1").session_manager(), callback_handler=None
    )
    assert [message["content"] for message in restored.messages] == [[{"text": text}] for text in kept]


@pytest.mark.slow
def test_a_tool_result_of_sixteen_megabytes_is_none_of_the_hook_s_business(setup):
    @tool
    def big() -> str:
        """Return much."""
        return "x" * 16_000_000

    agent = setup.agent(setup.hook(hook=HookConfig(retrieve=False)), [ToolCall("big"), "That is big."])
    agent.tool_registry.register_tool(big)
    agent("How big?")
    assert setup.saved() == [[("USER", "How big?"), ("ASSISTANT", "That is big.")]]


def test_a_turn_of_a_thousand_messages_is_saved_in_as_few_events_as_the_service_allows(setup):
    async def many(event: BeforeModelCallEvent):
        pairs = [(f"Question {number}.", f"Answer {number}.") for number in range(499)]
        await event.agent._append_messages(
            *(
                {"role": role, "content": [{"text": text}]}
                for pair in pairs
                for role, text in zip(("user", "assistant"), pair, strict=True)
            )
        )

    agent = setup.agent(setup.hook(hook=HookConfig(retrieve=False)), ["Done."])
    agent.hooks.add_callback(BeforeModelCallEvent, many)
    agent("Go.")
    texts = [text for event in setup.saved() for _role, text in event]
    inner = [text for number in range(499) for text in (f"Question {number}.", f"Answer {number}.")]
    assert texts == ["Go.", *inner, "Done."]
    assert len(setup.events()) == 11
    prompt = setup.agent().system_prompt
    assert "Answer 498." in prompt
    assert prompt.index("Question 498.") < prompt.index("Done.")


def test_every_text_passes_redaction_before_it_leaves(setup):
    def redact(text: str) -> str:
        return text.replace("4711", "****")

    queries = []
    setup.config.data_plane()  # the client must exist before it is watched
    hook = setup.hook(writes=WriteConfig(redact=redact))
    setup.config.boto_session().events.register(
        "before-parameter-build.bedrock-agentcore.RetrieveMemoryRecords",
        lambda params, **_: queries.append(params["searchCriteria"]["searchQuery"]),
    )
    setup.agent(hook, ["Your pin is 4711."])("My pin is 4711")
    assert setup.saved() == [[("USER", "My pin is ****"), ("ASSISTANT", "Your pin is ****.")]]
    assert queries == ["My pin is ****"]


def test_a_text_that_cannot_be_redacted_is_not_sent(setup):
    def redact(text: str) -> str:
        if "4711" in text:
            raise ValueError("no")
        return text

    hook = setup.hook(writes=WriteConfig(redact=redact), hook=HookConfig(retrieve=False))
    setup.agent(hook, ["Fine."])("My pin is 4711")
    assert setup.saved() == [[("ASSISTANT", "Fine.")]]
    assert hook.status.dropped == 1
    assert "redact" in hook.status.last_error


def test_a_message_a_guardrail_redacted_is_saved_redacted(setup):
    agent = setup.agent(setup.hook(hook=HookConfig(retrieve=False)), [])

    class Guarded(ScriptedModel):
        async def stream(self, *args, **kwargs):
            yield {"redactContent": {"redactUserContentMessage": "[removed]"}}
            async for event in super().stream(*args, **kwargs):
                yield event

    agent.model = Guarded(["I cannot help with that."])
    agent("Something forbidden")
    assert setup.saved() == [[("USER", "[removed]"), ("ASSISTANT", "I cannot help with that.")]]


def test_events_carry_the_configured_metadata_and_own_variables():
    namespace = Namespace.semantic("notes", "/tenants/{tenant}/{actorId}/", variables=("tenant",))
    config = MemoryConfig.local(":memory:", namespaces=(namespace,), writes=WriteConfig(metadata={"app": "desk"}))
    session = config.bind("ann", "s1", {"tenant": "acme"})
    Agent(model=ScriptedModel(["Noted."]), hooks=[session.hook()], callback_handler=None)("I have a dog named Rex.")
    [event] = session.client.list_events(memoryId=session.memory_id, actorId="ann", sessionId="s1")["events"]
    assert event["metadata"]["app"] == {"stringValue": "desk"}
    found = session.wait_for_memories("notes", since=event, max_wait=0)
    assert [record["namespaces"] for record in found] == [["/tenants/acme/ann/"]]


def test_a_failed_invocation_saves_what_was_said(setup):
    agent = setup.agent(script=[ValueError("the model broke")])
    with pytest.raises(ValueError, match="the model broke"):
        agent("Remember this")
    assert setup.saved() == [[("USER", "Remember this")]]


def test_an_unreadable_history_is_not_an_empty_one(setup):
    setup.write("Earlier.")
    with setup.service.faults.inject("access_denied", "ListEvents"):
        with pytest.raises(HistoryUnavailableError):
            setup.agent(setup.hook(hook=HookConfig(on_error="raise")))
        hook = setup.hook()
        setup.agent(hook)("Hi")
    assert "restore: HistoryUnavailableError" in hook.status.last_error


def test_failed_saving_raises_when_asked_to(setup):
    agent = setup.agent(setup.hook(hook=HookConfig(on_error="raise", retrieve=False)), ["One.", "Two."])
    with setup.service.faults.inject("access_denied", "CreateEvent"), pytest.raises(UnsentMessagesError) as caught:
        agent("Hi")
    assert caught.value.count == 2
    agent("Again")
    assert len(setup.saved()) == 2


def test_failed_retrieval_degrades_or_raises(setup):
    hook = setup.hook()
    with setup.service.faults.inject("access_denied", "RetrieveMemoryRecords"):
        assert str(setup.agent(hook)("What do I drink?")) == "Hello.\n"
        assert "namespace 'facts' could not be searched" in hook.status.last_error
        raising = setup.agent(setup.hook(hook=HookConfig(on_error="raise")))
        with pytest.raises(Exception, match="namespace 'facts' could not be searched"):
            raising("What do I drink?")
    assert len(setup.saved()) == 2
