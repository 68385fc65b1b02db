"""Relevance: scores that mean something, over words and meaning."""

import pytest
from memory_api import SEMANTIC

from agentmem.local.search_text import coverage, query_terms

RELATED = [
    ("Where does the user live?", "The user lives in Porto."),
    ("what is the user's job", "The user works as a nurse at Santa Maria hospital."),
    ("favourite drink", "The user prefers oat milk cappuccino."),
    ("What beverage do I like most?", "The user loves green tea."),
    ("any dietary restrictions?", "The user is allergic to peanuts."),
    ("pets", "The user has a golden retriever named Rex."),
    ("what kind of animal do they own", "The user's cat is called Miso."),
    ("preferred seat on planes", "The user always chooses the window seat."),
    ("How many kids?", "The user has three children."),
    ("budget for the trip", "The user can spend at most 2,000 euros on the vacation."),
    ("which car", "The user drives a red Toyota Corolla."),
    ("music taste", "The user listens to jazz and bossa nova."),
    ("What is my name?", "The user's name is Ana."),
    ("email", "The user's email address is ana@example.com."),
]
UNRELATED = [
    "quantum chromodynamics",
    "how do I bake sourdough bread",
    "stock market crash of 1929",
    "Explain photosynthesis",
    "What's the capital of Mongolia?",
]


@pytest.fixture
def facts(api):
    api.create(SEMANTIC)
    api.write(*(fact for _, fact in RELATED))
    return api


def test_questions_find_the_fact_that_answers_them(facts):
    first = [facts.search(question, "/facts/", top_k=3)[0]["content"]["text"] for question, _ in RELATED]
    right = [found == fact for found, (_, fact) in zip(first, RELATED, strict=True)]
    assert sum(right) >= 12


def test_the_usual_thresholds_part_related_from_unrelated(facts):
    answers = []
    for question, fact in RELATED:
        found = {record["content"]["text"]: record["score"] for record in facts.search(question, "/facts/", top_k=100)}
        answers.append(found[fact])
    strays = [facts.search(question, "/facts/", top_k=1)[0]["score"] for question in UNRELATED]
    assert sum(score >= 0.2 for score in answers) >= 13
    assert sum(score >= 0.5 for score in strays) == 0
    assert sorted(strays)[len(strays) // 2] < 0.3 < sorted(answers)[len(answers) // 2]


def test_scores_fall_and_stay_between_0_and_1(facts):
    for question in [question for question, _ in RELATED] + UNRELATED:
        scores = [record["score"] for record in facts.search(question, "/facts/", top_k=100)]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)


def test_the_same_words_score_near_1(facts):
    assert facts.search("The user drives a red Toyota Corolla.", "/facts/")[0]["score"] > 0.95


def test_rare_words_are_found_that_no_embedding_knows(facts):
    facts.write("The booking reference is QX7-99ZT.", "The user's ticket number is 4711-0815.")
    assert facts.search("QX7-99ZT", "/facts/")[0]["content"]["text"] == "The booking reference is QX7-99ZT."
    assert facts.search("ticket 4711", "/facts/")[0]["content"]["text"] == "The user's ticket number is 4711-0815."


@pytest.mark.parametrize(
    "query", ['"quoted" AND (broken', "a OR b NOT c*", "'; DROP TABLE records; --", "???", "é", "the of"]
)
def test_queries_are_words_not_syntax(facts, query):
    assert isinstance(facts.search(query, "/facts/"), list)


def test_at_most_top_k_are_found_and_ten_unless_told_otherwise(facts):
    assert len(facts.search("user", "/facts/", top_k=4)) == 4
    answer = facts.data.retrieve_memory_records(
        memoryId=facts.memory_id, namespace="/facts/", searchCriteria={"searchQuery": "user"}
    )
    assert len(answer["memoryRecordSummaries"]) == 10


def test_results_come_in_pages(facts):
    pages = facts.data.get_paginator("retrieve_memory_records").paginate(
        memoryId=facts.memory_id,
        namespace="/facts/",
        searchCriteria={"searchQuery": "pets", "topK": 9},
        PaginationConfig={"PageSize": 4},
    )
    found = [[record["memoryRecordId"] for record in page["memoryRecordSummaries"]] for page in pages]
    assert [len(page) for page in found] == [4, 4, 1]
    assert [record_id for page in found for record_id in page] == [
        record["memoryRecordId"] for record in facts.search("pets", "/facts/", top_k=9)
    ]


def test_a_strategy_can_be_searched_alone(facts):
    facts.say("I own a parrot.")
    [strategy] = facts.control.get_memory(memoryId=facts.memory_id)["memory"]["strategies"]
    found = facts.search("pets", path="/", memoryStrategyId=strategy["strategyId"])
    assert [record["content"]["text"] for record in found] == ["I own a parrot."]


def test_a_long_record_is_found_by_any_of_its_parts(api):
    api.create()
    filler = " ".join(f"Paragraph {number} is about ordinary office matters and meetings." for number in range(60))
    api.write(f"{filler} The user keeps bees in the garden. {filler}", "The user owns a printer.")
    found = api.search("Does anyone here do apiculture, with hives?", "/facts/", top_k=1)
    assert "bees" in found[0]["content"]["text"]


def test_memories_do_not_see_each_other(api):
    api.create(name="one")
    api.write("The user lives in Porto.")
    api.create(name="two")
    assert api.search("Porto", "/facts/") == []
    assert api.search("Porto", path="/") == []


def test_changed_and_deleted_records_leave_the_index(api):
    api.create()
    first, second = api.write("The user lives in Porto.", "The user owns a boat.")
    assert len(api.search("Porto", "/facts/")) == 2
    api.data.delete_memory_record(memoryId=api.memory_id, memoryRecordId=first)
    change = {"memoryRecordId": second, "timestamp": 1, "content": {"text": "The user plays chess."}}
    api.data.batch_update_memory_records(memoryId=api.memory_id, records=[change])
    assert [record["content"]["text"] for record in api.search("board games", "/facts/")] == ["The user plays chess."]


def test_vectors_survive_in_the_file(tmp_path, clock):
    from memory_api import MemoryApi

    from agentmem.local import LocalMemory

    class Refusing:
        name, scale = "use-multilingual-v3", ((0, 0), (1, 1))

        def encode(self, texts):
            assert texts == ["boat"], "only the query is embedded again"
            import numpy as np

            return np.ones((1, 512), dtype=np.float32)

    path = tmp_path / "memory.db"
    with LocalMemory(path) as memory:
        api = MemoryApi(memory.boto_session())
        api.create()
        api.write("The user owns a boat.")
        api.search("boat", "/facts/")
        memory_id = api.memory_id
    with LocalMemory(path, embedder=Refusing()) as memory:
        api = MemoryApi(memory.boto_session())
        api.memory_id = memory_id
        assert len(api.search("boat", "/facts/")) == 1


def test_words_are_compared_by_the_stems_of_the_questions_language():
    terms = query_terms("Wo sind die Bücher der Schwestern?", "de")
    assert terms == ["bücher", "schwestern"]
    assert coverage(terms, "Das Buch der Schwester liegt im Flur.", "de") == 1.0
    assert coverage(terms, "Der Hund liegt im Flur.", "de") == 0.0
