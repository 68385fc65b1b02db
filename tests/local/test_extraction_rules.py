"""What the rules make of what people say."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmem.local import Message
from agentmem.local.extraction.facts import facts, subject_of
from agentmem.local.extraction.messages import read_payload
from agentmem.local.extraction.person import third_person
from agentmem.local.extraction.preferences import preferences
from agentmem.local.extraction.summary import roll


def texts(said):
    return [fact.text for fact in facts(said)]


@pytest.mark.parametrize(
    ("said", "fact"),
    [
        ("I live in Porto.", "The user lives in Porto."),
        ("I'm a nurse and I've got two kids", "The user is a nurse."),
        ("My sister Ana is a doctor in Braga.", "The user's sister Ana is a doctor in Braga."),
        ("We have a dog called Rex", "The user has a dog called Rex."),
        ("I don't eat meat.", "The user doesn't eat meat."),
        ("i usually fly from Lisbon", "The user usually flies from Lisbon."),
        ("I'd rather sit by the window.", "The user would rather sit by the window."),
        ("I was born in 1984.", "The user was born in 1984."),
        ("I've been to Japan twice", "The user has been to Japan twice."),
        ("My boss told me that I need a visa.", "The user's boss told them that they need a visa."),
        ("Well, actually, I work at Acme now.", "The user works at Acme now."),
        ("By the way, my name is Ana.", "The user's name is Ana."),
        ("I told you that my budget is 500 euros", "The user's budget is 500 euros."),
        ("Remember this: my dog Pixel is a corgi.", "The user's dog Pixel is a corgi."),
        ("I am based in Denver and fly Cessnas.", "The user is based in Denver and flies Cessnas."),
        ("The office opens at nine.", "The office opens at nine."),
        ("I moved to Lisbon last year and I love it", "The user moved to Lisbon last year and lives there now."),
    ],
)
def test_statements_become_facts_in_the_third_person(said, fact):
    assert fact in texts(said)


@pytest.mark.parametrize(
    "said",
    [
        "What's the weather in Porto?",
        "can you book me a flight",
        "Do I need a visa",
        "Please remember to be brief.",
        "Book the cheapest flight to Oslo.",
        "I want to change my reservation.",
        "I'd like to know the price.",
        "I need help with my order.",
        "Cancel my subscription.",
        "Hi there! Good morning!",
        "Thanks a lot, that's great.",
        "ok",
        "You are a helpful assistant.",
        "I think so.",
        "That was awful.",
        "They have an amazing ability to bounce back.",
        "```python\nmy_name = 'x'\nI = 5\n```",
    ],
)
def test_questions_requests_and_small_talk_are_not_remembered(said):
    assert texts(said) == []
    assert preferences(said) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I live in Porto", "We moved to Lisbon"),
        ("I live in Porto", "I no longer live in Porto"),
        ("I work at Acme", "I started a new job at Initech"),
        ("My name is Ana", "Call me Annie"),
        ("My favourite colour is blue", "My favourite colour is green now"),
        ("I have two kids", "I have three kids"),
        ("I like coffee", "I don't like coffee anymore"),
        ("I'm single", "I'm married now"),
        ("My email address is a@b.c", "My email address is d@e.f"),
        ("I'm 34 years old", "I'm 35"),
        ("I am vegetarian", "I'm vegan now"),
    ],
)
def test_what_contradicts_has_the_same_subject(before, after):
    assert subject_of(before) == subject_of(after)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I live in Porto", "My parents live in Porto"),
        ("My sister is a doctor", "My brother is a doctor"),
        ("I like coffee", "I like tea"),
        ("I have two kids", "I have two cats"),
        ("I work as a nurse", "I work at Acme"),
        ("I went to Rome in May", "I went to Oslo in June"),
    ],
)
def test_what_does_not_contradict_has_another_subject(one, other):
    assert subject_of(one) != subject_of(other)


def test_preferences_have_the_services_shape():
    [found] = preferences("Hello! I really prefer window seats on long flights. What do you have?")
    record = json.loads(found.text)
    assert record == {
        "context": 'The user said: "I really prefer window seats on long flights."',
        "preference": "Really prefers window seats on long flights",
        "categories": ["travel"],
    }


@pytest.mark.parametrize(
    "said",
    [
        "I love spicy food.",
        "I hate early meetings",
        "My favourite band is Radiohead.",
        "I'm allergic to peanuts",
        "I always book the aisle seat.",
        "I don't drink coffee.",
        "I'd rather have short answers.",
    ],
)
def test_likes_dislikes_and_habits_are_preferences(said):
    assert len(preferences(said)) == 1


@pytest.mark.parametrize("said", ["I would like to book a table.", "It looks like rain.", "I live in Porto."])
def test_other_statements_are_not_preferences(said):
    assert preferences(said) == []


@given(st.text(max_size=300))
def test_any_text_is_survived(said):
    for fact in facts(said) + preferences(said):
        assert fact.text
        assert fact.subject
    assert isinstance(third_person(said), str)
    assert roll(None, [Message(0, "USER", said)]) is None or True


@pytest.mark.parametrize(
    "said",
    [
        "ok " + "a" * 100_000,
        "thanks " * 15_000,
        "I like " + "very " * 20_000 + "much",
        "my " * 30_000,
        "<" * 100_000,
        "```" * 30_000,
        "I'm " + "also " * 20_000,
        "hi, " * 25_000 + "!",
    ],
    ids=lambda said: said[:12],
)
def test_long_and_odd_texts_take_no_long_time(said):
    started = time.process_time()
    assert isinstance(facts(said) + preferences(said), list)
    roll(None, [Message(0, "USER", said)])
    assert time.process_time() - started < 1


def message(text, role="USER"):
    return Message(0, role, text)


class TestSummary:
    def test_it_has_topics_and_tells_both_sides(self):
        summary = roll(
            None,
            [
                message("I am planning a trip to Japan in April. Which city should I see first?"),
                message("Kyoto is lovely in April. The cherry trees bloom then.", "ASSISTANT"),
                message("My laptop crashes whenever I open the editor."),
            ],
        )
        assert summary.count('<topic name="') == 2
        assert "The user is planning a trip to Japan in April." in summary
        assert "The user asked: Which city should I see first?" in summary
        assert "The assistant said: Kyoto is lovely in April." in summary

    def test_it_rolls(self):
        first = roll(None, [message("I am planning a trip to Japan in April.")])
        second = roll(first, [message("The Japan trip costs 2,000 euros at most.")])
        assert second.count("<topic") == 1
        assert "planning a trip" in second
        assert "2,000 euros" in second

    def test_the_same_again_changes_nothing(self):
        said = [message("I am planning a trip to Japan."), message("Have fun in Japan.", "ASSISTANT")]
        first = roll(None, said)
        assert roll(first, said) == first

    def test_it_stays_within_a_record_however_long_the_session(self):
        summary = None
        for number in range(400):
            summary = roll(summary, [message(f"The project number {number} needs {'detail ' * 30}planning {number}.")])
        assert len(summary) <= 16_000
        assert "project number 399" in summary

    def test_markup_in_what_was_said_stays_text(self):
        summary = roll(None, [message('My company is called A & B "Sons" </topic>')])
        assert summary.count("</topic>") == 1
        assert "A &amp; B" in summary

    def test_greetings_leave_none(self):
        assert roll(None, [message("Hi there!"), message("Hello!", "ASSISTANT")]) is None


class TestReading:
    def test_the_sdks_json_messages_read_like_plain_text(self):
        stored = json.dumps(
            {
                "message": {
                    "role": "user",
                    "content": [
                        {"text": "I live in Porto."},
                        {
                            "toolResult": {
                                "toolUseId": "1",
                                "content": [{"text": "I live in a tool."}],
                                "status": "success",
                            }
                        },
                    ],
                },
                "message_id": 3,
            }
        )
        plain = {"conversational": {"role": "USER", "content": {"text": "I live in Porto."}}}
        dressed = {"conversational": {"role": "USER", "content": {"text": stored}}}
        assert read_payload([dressed]) == read_payload([plain]) == [Message(0, "USER", "I live in Porto.")]

    def test_tool_traffic_and_blobs_are_skipped(self):
        call = {
            "message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "t", "input": {}}}]}
        }
        items = [
            {"conversational": {"role": "ASSISTANT", "content": {"text": json.dumps(call)}}},
            {"conversational": {"role": "TOOL", "content": {"text": "I live in a tool."}}},
            {"blob": {"text": "I live in a blob."}},
            {"json": {"content": {"clicks": 3}}},
            {"conversational": {"role": "USER", "content": {"text": "{not json: I live in Porto."}}},
        ]
        assert read_payload(items) == [Message(4, "USER", "{not json: I live in Porto.")]
