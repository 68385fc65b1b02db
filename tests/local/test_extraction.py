"""When and where records are made, and how they stay few."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from memory_api import ALL_STRATEGIES, PREFERENCE, SEMANTIC, SUMMARY, MemoryApi, said

from agentmem.local import Change, LocalMemory, ModelExtractor
from agentmem.testing import ScriptedModel

FACTS = "/users/bob/facts/"
AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_records_appear_when_the_delay_is_over_and_are_dated_to_it(clock):
    with LocalMemory(clock=clock, extraction_delay=30) as memory:
        api = MemoryApi(memory.boto_session())
        api.create(SEMANTIC)
        api.say("I live in Porto.", at=AT)
        due = clock.now + 30
        clock.advance(29)
        assert api.records(FACTS) == []
        clock.advance(500)
        [record] = api.records(FACTS)
        assert record["createdAt"].timestamp() == due
        assert record["timestamp"] == AT


def test_each_way_of_looking_sees_what_is_due(api):
    api.create(SEMANTIC)
    api.say("I live in Porto.")
    assert len(api.search("home", FACTS)) == 1
    api.say("I own a boat.")
    assert len(api.records(FACTS)) == 2


def test_records_go_where_the_templates_say(api):
    api.create(*ALL_STRATEGIES)
    api.say("I live in Porto. I love green tea.", actor="ann", session="s9")
    assert api.texts("/users/ann/facts/")
    assert api.texts("/users/ann/preferences/")
    assert api.texts("/summaries/ann/s9/")


def test_own_variables_are_filled_in_from_the_event(api):
    api.create(
        {
            "semanticMemoryStrategy": {
                "name": "f",
                "namespaceTemplates": ["/sites/{site}/{memoryStrategyId}/{actorId}/"],
            }
        },
        namespaceKeys=[{"key": "site"}],
    )
    [strategy] = api.control.get_memory(memoryId=api.memory_id)["memory"]["strategies"]
    api.say("I live in Porto.", extractionConfig={"namespaceVariables": {"site": "north"}})
    assert len(api.records(f"/sites/north/{strategy['strategyId']}/bob/")) == 1
    api.say("I own a boat.")  # without a value there is nowhere to put the record
    [job] = api.data.list_memory_extraction_jobs(memoryId=api.memory_id)["jobs"]
    assert "variable" in job["failureReason"]


def test_events_marked_skip_and_assistants_words_make_no_facts(api):
    api.create(SEMANTIC)
    api.say("I live in Porto.", extractionMode="SKIP")
    api.say("I am a language model and I live in the cloud.", role="ASSISTANT")
    assert api.records(FACTS) == []


def test_a_deleted_event_is_not_extracted_afterwards(clock):
    with LocalMemory(clock=clock, extraction_delay=30) as memory:
        api = MemoryApi(memory.boto_session())
        api.create(SEMANTIC)
        event = api.say("I live in Porto.")
        api.data.delete_event(memoryId=api.memory_id, actorId="bob", sessionId="s1", eventId=event["eventId"])
        clock.advance(31)
        assert api.records(FACTS) == []


def test_a_newer_statement_stands_beside_the_older_one_and_before_it(api, clock):
    api.create(SEMANTIC)
    api.say("I live in Lisbon.")
    [old] = api.records(FACTS)
    clock.advance(60)
    api.say("Actually, we moved to Porto.")
    newer, older = api.records(FACTS)
    assert newer["content"]["text"] == "Actually, we moved to Porto."
    assert older == old


def test_a_restated_fact_renews_its_record(api):
    api.create(SEMANTIC, PREFERENCE)
    api.say("I live in Porto. I prefer tea.", at=AT)
    old = {record["memoryRecordId"] for record in api.records(None, namespacePath="/")}
    later = datetime(2026, 4, 1, tzinfo=UTC)
    api.say("I live in Porto! And yes: I prefer tea", session="s2", at=later)
    api.say("I prefer tea", session="s2", at=later)
    new = api.records(None, namespacePath="/")
    assert old <= {record["memoryRecordId"] for record in new}
    assert {record["timestamp"] for record in new if record["memoryRecordId"] in old} == {later}


CONVERSATION = [
    ("Hi! I'm Ana and I live in Lisbon. I have two kids.", "USER"),
    ("Nice to meet you, Ana.", "ASSISTANT"),
    ("I love hiking, but I hate crowded places. What should we do in May?", "USER"),
    ("You could walk the coast in May.", "ASSISTANT"),
    ("Actually, we moved to Porto in March. My sister Rita lives in Lisbon.", "USER"),
]


@pytest.mark.parametrize("look_between", [False, True])
def test_the_same_conversation_saved_twice_makes_no_new_record(api, look_between):
    def everything():
        return sorted(record["content"]["text"] for record in api.records(None, namespacePath="/"))

    api.create(*ALL_STRATEGIES)
    for text, role in CONVERSATION:
        api.say(text, role)
    first = everything()
    assert len(first) >= 6
    for text, role in CONVERSATION:
        api.say(text, role)
        if look_between:
            everything()
    assert everything() == first


def test_a_session_has_one_rolling_summary(api):
    api.create(SUMMARY)
    api.say("I am planning a trip to Japan.")
    [first] = api.records("/summaries/bob/s1/")
    api.say("My laptop crashes when the editor opens.")
    api.say("Something else entirely happened to my bicycle.", session="s2")
    [second] = api.records("/summaries/bob/s1/")
    assert "Japan" in second["content"]["text"]
    assert "laptop" in second["content"]["text"]
    assert second["memoryRecordId"] != first["memoryRecordId"]  # so that who waits for news sees some


def test_sessions_in_one_namespace_keep_their_own_summaries(api):
    api.create({"summaryMemoryStrategy": {"name": "s", "namespaceTemplates": ["/all/"]}})
    for session in ("s1", "s2"):
        api.say(f"I am planning a trip to town {session}.", session=session)
        api.say(f"My trip to town {session} starts in May.", session=session)
    assert len(api.records("/all/")) == 2


def test_schemas_pass_event_metadata_on_to_records(api):
    schema = [
        {"key": "team", "type": "STRING", "extractionType": "STRICTLY_CONSISTENT"},
        {"key": "score", "type": "NUMBER", "extractionType": "STRICTLY_CONSISTENT"},
        {"key": "langs", "type": "STRINGLIST", "extractionType": "STRICTLY_CONSISTENT"},
    ]
    strategy = {
        "name": "f",
        "namespaceTemplates": ["/users/{actorId}/facts/"],
        "memoryRecordSchema": {"metadataSchema": schema},
    }
    api.create({"semanticMemoryStrategy": strategy}, indexedKeys=[{"key": "team", "type": "STRING"}])
    values = {"team": "red", "score": "1.5", "langs": "en", "other": "x"}
    api.say("I live in Porto.", metadata={key: {"stringValue": value} for key, value in values.items()})
    [record] = api.records(FACTS)
    assert record["metadata"] == {
        "team": {"stringValue": "red"},
        "score": {"numberValue": 1.5},
        "langs": {"stringListValue": ["en"]},
    }


@pytest.mark.parametrize(
    "strategy",
    [
        {"episodicMemoryStrategy": {"name": "e", "namespaceTemplates": ["/x/{actorId}/{sessionId}/"]}},
        {
            "customMemoryStrategy": {
                "name": "c",
                "namespaceTemplates": ["/x/{actorId}/{sessionId}/"],
                "configuration": {"semanticOverride": {"extraction": {"appendToPrompt": "x", "modelId": "m"}}},
            }
        },
    ],
    ids=["episodic", "custom"],
)
def test_episodic_and_custom_strategies_are_served_by_the_nearest_of_the_three(api, strategy):
    api.create(strategy)
    api.say("I live in Porto.")
    [text] = api.texts("/x/bob/s1/")
    assert "I live in Porto." in text


def episodic(reflections="/x/{actorId}/"):
    reflection = {"namespaceTemplates": [reflections]}
    episodes = {"name": "e", "namespaceTemplates": ["/x/{actorId}/{sessionId}/"], "reflectionConfiguration": reflection}
    return {"episodicMemoryStrategy": episodes}


def test_reflections_by_rule_are_refused_by_name_and_episodes_are_made(api, caplog):
    made = api.create(episodic())
    for session in ("s1", "s2"):
        api.say("I live in Porto.", session=session)
        assert len(api.records(f"/x/bob/{session}/")) == 1
    assert api.records("/x/bob/") == []
    warnings = [record.getMessage() for record in caplog.records if "no reflections are made" in record.getMessage()]
    assert len(warnings) == 1
    assert made["strategies"][0]["strategyId"] in warnings[0]


class TestIngestion:
    def ingest(self, api, *payload, **more):
        arguments = {"memoryId": api.memory_id, "actorId": "bob", "contentTimestamp": AT, **more}
        return api.data.ingest_data(source={"inline": {"payload": list(payload)}}, **arguments)["sessionId"]

    def test_content_becomes_records_without_an_event(self, api):
        api.create(SEMANTIC)
        session_id = self.ingest(api, said("I live in Porto."), {"json": {"content": {"clicks": 3}}})
        assert api.texts(FACTS) == ["I live in Porto."]
        assert api.events(session=session_id) == []

    def test_it_keeps_the_callers_session_and_token(self, api):
        api.create(SEMANTIC)
        assert self.ingest(api, said("I live in Porto."), sessionId="mine", clientToken="t") == "mine"
        assert self.ingest(api, said("I live in Faro."), sessionId="other", clientToken="t") == "mine"
        assert api.texts(FACTS) == ["I live in Porto."]


class FailingExtractor:
    """Fails until it is mended."""

    def __init__(self):
        self.broken = True

    def extract(self, kind, messages, known):
        if self.broken:
            raise RuntimeError("the model is away")
        return [Change(f"{kind}: {messages[0].text}")]


class TestFailedJobs:
    @pytest.fixture
    def extractor(self):
        return FailingExtractor()

    @pytest.fixture
    def api(self, clock, extractor):
        with LocalMemory(clock=clock, extractor=extractor) as memory:
            api = MemoryApi(memory.boto_session())
            api.create(SEMANTIC, PREFERENCE)
            yield api

    def jobs(self, api, **more):
        return api.data.list_memory_extraction_jobs(memoryId=api.memory_id, **more)["jobs"]

    def test_a_failure_is_a_failed_job_that_says_why(self, api):
        event = api.say("I live in Porto.")
        jobs = self.jobs(api)
        assert len(jobs) == 2
        job = jobs[0]
        assert (job["status"], job["actorId"], job["sessionId"]) == ("FAILED", "bob", "s1")
        assert job["failureReason"] == "RuntimeError: the model is away"
        assert job["messages"] == {"messagesList": [{"eventId": event["eventId"], "messageIndex": 0}]}
        assert api.records(FACTS) == []

    def test_jobs_can_be_filtered_and_paged(self, api):
        for session in ("s1", "s2"):
            api.say("I live in Porto.", session=session)
            self.jobs(api)
        strategy = self.jobs(api)[0]["strategyId"]
        assert len(self.jobs(api, filter={"sessionId": "s1"})) == 2
        assert len(self.jobs(api, filter={"strategyId": strategy, "actorId": "bob", "status": "FAILED"})) == 2
        assert self.jobs(api, filter={"actorId": "eve"}) == []
        pages = api.data.get_paginator("list_memory_extraction_jobs").paginate(
            memoryId=api.memory_id, PaginationConfig={"PageSize": 3}
        )
        assert [len(page["jobs"]) for page in pages] == [3, 1]

    def test_a_started_job_succeeds_once_the_cause_is_gone(self, api, extractor):
        api.say("I live in Porto.")
        semantic = next(job for job in self.jobs(api) if job["strategyId"].startswith("facts"))
        start = {"memoryId": api.memory_id, "extractionJob": {"jobId": semantic["jobID"]}}
        assert api.data.start_memory_extraction_job(**start)["jobId"] == semantic["jobID"]
        assert semantic["jobID"] in {job["jobID"] for job in self.jobs(api)}  # it failed again
        extractor.broken = False
        api.data.start_memory_extraction_job(**start)
        assert api.texts(FACTS) == ["semantic: I live in Porto."]
        assert semantic["jobID"] not in {job["jobID"] for job in self.jobs(api)}

    def test_an_unknown_job_is_not_found(self, api):
        with pytest.raises(ClientError) as refused:
            api.data.start_memory_extraction_job(memoryId=api.memory_id, extractionJob={"jobId": "job-1"})
        assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


class TestModelExtractor:
    def api(self, *answers):
        self.model = ScriptedModel(list(answers))
        memory = LocalMemory(extractor=ModelExtractor(self.model))
        return MemoryApi(memory.boto_session())

    def test_facts_are_what_the_model_says(self):
        api = self.api('```json\n{"records": [{"text": "The user lives in Porto.", "replaces": null}]}\n```')
        api.create(SEMANTIC)
        api.say("Porto is where my house stands.")
        assert api.texts(FACTS) == ["The user lives in Porto."]
        assert "Porto is where my house stands." in str(self.model.requests[0].messages)

    def test_it_is_shown_the_known_records_and_can_replace_one(self):
        api = self.api(
            '{"records": [{"text": "The user lives in Lisbon."}, {"text": "The user has a dog."}]}',
            '<thinking>moved {away}</thinking>{"records": [{"text": "The user lives in Porto.", "replaces": 1}]}',
        )
        api.create(SEMANTIC)
        api.say("I live in Lisbon and have a dog.")
        api.texts(FACTS)
        api.say("We moved to Porto.")
        assert set(api.texts(FACTS)) == {"The user lives in Porto.", "The user has a dog."}
        assert "1. The user lives in Lisbon." in str(self.model.requests[1].messages)

    @pytest.mark.parametrize("place", ["/x/{actorId}/", "/reflections/"])
    def test_reflections_are_made_across_the_episodes_of_an_actor(self, place):
        episode = '{"topics": [{"name": "A refund", "text": "The refund %s."}]}'
        insight = {"title": "Refunds", "use_cases": "Refunds", "hints": "Ask for the order first.", "confidence": 0.8}
        better = {**insight, "hints": "Ask for the order and the date.", "replaces": 1}
        api = self.api(
            episode % "failed", episode % "worked", json.dumps({"records": [insight]}),
            episode % "worked again", json.dumps({"records": [better]}),
        )  # fmt: skip
        api.create(episodic(place))
        namespace = place.replace("{actorId}", "bob")
        api.say("Refund me.", session="s1")
        assert api.records(namespace) == []  # one episode is no pattern
        api.say("Refund me again.", session="s2")
        assert [json.loads(text) for text in api.texts(namespace)] == [insight]
        assert "The refund failed." in str(self.model.requests[2].messages)
        assert "The refund worked." in str(self.model.requests[2].messages)
        api.say("And again.", session="s2")
        [text] = api.texts(namespace)
        assert json.loads(text)["hints"] == "Ask for the order and the date."
        assert len(api.records("/x/bob/s2/")) == 1

    def test_preferences_and_summaries_have_the_services_form(self):
        api = self.api('{"records": [{"context": "said so", "preference": "Likes tea", "categories": ["drink"]}]}')
        api.create(PREFERENCE)
        api.say("I like tea.")
        assert api.texts("/users/bob/preferences/") == [
            '{"context": "said so", "preference": "Likes tea", "categories": ["drink"]}'
        ]
        api = self.api(*['{"topics": [{"name": "Tea", "text": "The user likes tea & cake."}]}'] * 2)
        api.create(SUMMARY)
        api.say("I like tea.")
        assert api.texts("/summaries/bob/s1/") == ['<topic name="Tea">\nThe user likes tea &amp; cake.\n</topic>']
        api.say("And cake.")
        assert len(api.texts("/summaries/bob/s1/")) == 1

    def test_an_invalid_answer_is_asked_for_again(self):
        api = self.api("I would say Porto.", '{"records": [{"text": "The user lives in Porto."}]}')
        api.create(SEMANTIC)
        api.say("I live in Porto.")
        assert api.texts(FACTS) == ["The user lives in Porto."]
        assert "not valid" in str(self.model.requests[1].messages[-1])

    @pytest.mark.parametrize(
        "answer", ["no", '{"records": [{"text": ""}]}', '{"records": [{"text": "x", "replaces": 9}]}']
    )
    def test_two_invalid_answers_are_a_failed_job(self, answer):
        api = self.api(answer, answer, '{"records": [{"text": "The user lives in Porto."}]}')
        api.create(SEMANTIC)
        api.say("I live in Porto.")
        [job] = api.data.list_memory_extraction_jobs(memoryId=api.memory_id)["jobs"]
        assert "ExtractionError" in job["failureReason"]
        api.data.start_memory_extraction_job(memoryId=api.memory_id, extractionJob={"jobId": job["jobID"]})
        assert api.texts(FACTS) == ["The user lives in Porto."]

    async def test_it_works_inside_a_running_event_loop(self):
        api = self.api('{"records": []}')
        api.create(SEMANTIC)
        api.say("I live in Porto.")
        assert api.texts(FACTS) == []
