"""The offline model answers from its request and from nothing else."""

from __future__ import annotations

import json

import pytest
from strands import Agent, tool

from agentmem.testing.offline_model import DOES_NOT_KNOW, DONE, NOTED, OfflineModel, best_sentence


def agent_with(*tools, messages=None, system_prompt="You help."):
    return Agent(
        model=OfflineModel(),
        tools=list(tools),
        messages=messages,
        system_prompt=system_prompt,
        callback_handler=None,
    )


def ask(agent, text):
    return str(agent(text)).strip()


@tool
def search_ferries(query: str) -> str:
    """Search ferries.

    Args:
        query: Where to.
    """
    return json.dumps([{"ferry": "Norröna", "to": "Tórshavn"}, {"ferry": "Hjaltland", "to": "Lerwick", "hours": 12}])


@tool
def recall_session(query: str = "", handle: str = "") -> str:
    """Read earlier messages.

    Args:
        query: Words.
        handle: Handle.
    """
    name = query.rsplit(maxsplit=1)[-1].strip("?")
    return f"[user, 2026-01-01 10:00 UTC, handle 0123]\nThe locker number of {name} is 417."


def test_it_quotes_what_was_said_before():
    agent = agent_with()
    assert ask(agent, "The dog is called Brutus. The cat is called Mia.") == NOTED
    assert ask(agent, "What is the cat called?") == "The cat is called Mia."


@pytest.mark.parametrize("source", ["system", "fence", "preference"])
def test_it_reads_the_system_prompt_fenced_blocks_and_preference_records(source):
    said = "The user prefers a window seat on trains."
    record = json.dumps({"context": "chat", "preference": said, "categories": ["travel"]})
    block = f"<memory>\n{record if source == 'preference' else said}\n</memory>"
    agent = agent_with(system_prompt=said if source == "system" else "You help.")
    question = "Which seat do I prefer?"
    answer = ask(agent, question) if source == "system" else str(agent([{"text": block}, {"text": question}])).strip()
    assert said in answer


def test_it_does_not_know_what_its_request_does_not_say():
    agent = agent_with()
    ask(agent, "The dog is called Brutus.")
    assert ask(agent, "Where does Marta live?") == DOES_NOT_KNOW
    assert ask(agent, "Where does Marta live?") == DOES_NOT_KNOW


def test_it_never_answers_with_a_question_or_its_own_ignorance():
    assert best_sentence("Where does Marta live?", ["Where does Marta live now?"]) is None
    assert (
        best_sentence("Where does Marta live?", ["Marta lives in Porto.", "Marta lives here?"])
        == "Marta lives in Porto."
    )


def test_the_latest_of_equal_sentences_wins():
    assert best_sentence("What colour is the door?", ["The door is red.", "The door is blue."]) == "The door is blue."


def test_it_calls_the_tool_a_request_names_once_and_answers_from_it():
    agent = agent_with(search_ferries)
    assert ask(agent, "Search ferries to Lerwick.") == "ferry: Hjaltland, to: Lerwick, hours: 12"
    calls = [block["toolUse"] for message in agent.messages for block in message["content"] if "toolUse" in block]
    assert [(call["name"], call["input"]) for call in calls] == [
        ("search_ferries", {"query": "Search ferries to Lerwick."})
    ]


def test_a_request_whose_result_says_nothing_on_it_is_just_done():
    assert ask(agent_with(search_ferries), "Search ferries from the northernmost village.") == DONE


def test_it_recalls_only_when_the_request_does_not_answer():
    agent = agent_with(recall_session)
    assert ask(agent, "What is the locker number of Ines?") == "The locker number of Ines is 417."
    assert ask(agent, "What is the locker number of Ines?") == "The locker number of Ines is 417."
    calls = [block for message in agent.messages for block in message["content"] if "toolUse" in block]
    assert len(calls) == 1


def test_a_search_that_found_nothing_is_no_answer():
    @tool
    def recall_session(query: str = "") -> str:
        """Read earlier messages."""
        return f"Nothing in the earlier part of this conversation matches {query!r}."

    assert ask(agent_with(recall_session), "Where do I live?") == DOES_NOT_KNOW


def test_a_result_that_was_cut_is_still_read():
    rows = json.dumps([{"hotel": "Casa Azul", "key": "with the baker"}, {"hotel": "Casa Verde", "key": "in the box"}])
    agent = agent_with(system_prompt=f"Found: {rows[:-20]} ...")
    assert "with the baker" in ask(agent, "Where is the key of Casa Azul?")


def test_what_an_assistant_says_beside_a_tool_call_is_not_the_question():
    messages = [
        {"role": "user", "content": [{"text": "What is the locker number of Ines?"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Shall I look where Ines lives?"},
                {"toolUse": {"toolUseId": "a", "name": "recall_session", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "a", "content": [{"text": "Ines has locker number 4."}]}}],
        },
    ]
    agent = agent_with(recall_session, messages=messages)
    assert str(agent()).strip() == "Ines has locker number 4."


def test_it_reports_the_size_of_its_requests():
    agent = agent_with()
    ask(agent, "The dog is called Brutus.")
    usage = agent.messages[-1]["metadata"]["usage"]
    assert usage["inputTokens"] == agent.model.request_tokens[0] > 10
    assert "The dog is called Brutus." in agent.model.last_request
