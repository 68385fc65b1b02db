"""Export and import: what comes out of the copy is what went in, ids and creation times aside."""

from __future__ import annotations

import io
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strands import Agent

from agentmem import CompactionConfig, DynamoDBCheckpoints, EventLogCheckpoints, MemoryConfig, SqliteCheckpoints
from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.summary import Summary
from agentmem.errors import AgentMemError
from agentmem.events.position import Position
from agentmem.local import LocalMemory
from agentmem.messages.truncation import TruncationSettings
from agentmem.operations.importing import Import
from agentmem.operations.transfer import TransferError, export_lines
from agentmem.session_manager.session_view import SessionView
from agentmem.testing import ScriptedModel
from gears import examples
from memories import refusal

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPACTION = CompactionConfig(token_threshold=1_000, target_ratio=0.3, protected_turns=1)


def say(config, session, milliseconds, *items, actor="ann", **more):
    return config.data_plane().create_event(
        memoryId=config.memory_id,
        actorId=actor,
        sessionId=session,
        eventTimestamp=START + timedelta(milliseconds=milliseconds),
        payload=list(items),
        **more,
    )["event"]["eventId"]


def text(words):
    return {"conversational": {"role": "USER", "content": {"text": words}}}


def opened(folder, kind):
    """Open a memory; events do not get the same ids in the target as in the source."""
    config = MemoryConfig.local(folder, checkpoints=location(folder, kind), compaction=COMPACTION)
    if folder.name == "target":
        other = config.control_plane().create_memory(name="other", eventExpiryDuration=30)["memory"]["id"]
        say(config.replace(memory_id=other), "s-1", 1, text("This takes a number."))
    return config


def location(folder, kind):
    if kind == "sqlite":
        return SqliteCheckpoints(path=folder / "checkpoints.sqlite")
    if kind == "event_log":
        return EventLogCheckpoints()
    return DynamoDBCheckpoints(table=kind, region="us-west-2")  # found by its endpoint variable


@pytest.fixture(params=["event_log", "sqlite"])
def kind(request):
    return request.param


@pytest.fixture
def source(tmp_path, kind):
    return filled(tmp_path / "source", kind)


def filled(folder, kind):
    """Make a memory with an agent's compacted session, branches, odd payloads, metadata and records by hand."""
    config = opened(folder, kind)
    manager = config.bind("ann", "talk").session_manager()
    agent = Agent(model=ScriptedModel(["Noted. " * 60] * 6), session_manager=manager, callback_handler=None)
    for number in range(6):
        agent(f"Remember that code {number} is {number * 7919}.")
    manager.close()
    root = say(config, "tree", 1, text("Trunk"), metadata={"k": {"stringValue": "v 1"}})
    twin = say(config, "tree", 1, {"blob": {"any": ["json", 1.5, None]}}, {"json": {"content": {"a": 1}}})
    say(config, "tree", 2, text("Twig"), branch={"name": "b", "rootEventId": root})
    leaf = say(config, "tree", 3, text("Twig again"), branch={"name": "b"})
    say(config, "tree", 4, text("Leaf"), branch={"name": "c", "rootEventId": leaf})
    say(config, "tree", 5, {"blob": json.dumps({"agentmem": "replaces", "event_ids": [twin]}, separators=(",", ":"))})
    facts = "/users/ann/facts/"
    strategies = config.control_plane().get_memory(memoryId=config.memory_id)["memory"]["strategies"]
    config.data_plane().batch_create_memory_records(
        memoryId=config.memory_id,
        records=[
            {
                "requestIdentifier": str(number),
                "namespaces": [facts],
                "content": {"text": f"By hand {number}."},
                "timestamp": START + timedelta(days=number),
                "memoryStrategyId": next(one["strategyId"] for one in strategies if one["name"] == "facts"),
                "metadata": {
                    "words": {"stringListValue": ["a", "b"]},
                    "when": {"dateTimeValue": START + timedelta(hours=number)},
                    "much": {"numberValue": 2.5},
                },
            }
            for number in range(3)
        ],
    )
    if kind != "event_log":
        store = open_store(config.checkpoints)
        for version in (1, 2):
            place = Position(root, version - 1)
            store.save(
                CheckpointKey(config.memory_id, "ann", "tree", "planner"),
                Checkpoint(version, place, TruncationSettings(), Summary(narrative=f"v{version}"), head=(place,)),
            )
    return config


def lines_of(config, **only):
    """The exported lines as text."""
    return [json.dumps(line) for line in export_lines(config, **only)]


def comparable(config):
    """The exported lines without what the service makes anew; event ids by their place among the session's events."""
    lines = [json.loads(line) for line in lines_of(config)]
    names = {one["id"]: one["name"] for one in lines[0]["strategies"]}
    places: dict[str, str] = {}
    for line in lines:
        if line["kind"] == "event":
            places[line["id"]] = f"<{line['actor']} {line['session']} {len(places)}>"
    found = []
    for line in lines[1:]:
        left = {name: value for name, value in line.items() if name not in ("created_at", "id", "expires_at")}
        told = json.dumps({**left, "strategy": names.get(line.get("strategy"), "")}, sort_keys=True)
        for event_id, place in places.items():
            told = told.replace(event_id, place)
        found.append(told)
    return found


def imported(config, lines, done=(), **options):
    progress = io.StringIO()
    work = Import(config, progress, done)
    try:
        counts = work.run(lines, **options)
    finally:
        noted = [*done, *progress.getvalue().splitlines(keepends=True)]
    return counts, work.left_out, noted


def test_a_copy_in_an_empty_memory_is_the_same(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    counts, left_out, _ = imported(target, lines_of(source))
    assert counts["session"] == 2
    assert counts["event"] == 6 + 7
    assert counts["record"] >= 4
    assert (counts["checkpoint"] > 2) == (kind == "sqlite")
    assert not left_out
    assert comparable(target) == comparable(source)


def test_checkpoints_in_a_table_are_copied_too(dynamodb_endpoint, checkpoint_table, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    source, target = filled(tmp_path / "source", checkpoint_table), opened(tmp_path / "target", checkpoint_table)
    counts, left_out, _ = imported(target, lines_of(source))
    assert counts["checkpoint"] > 2
    assert not left_out
    assert comparable(target) == comparable(source)


def test_an_agent_goes_on_from_the_copy_as_from_the_original(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    imported(target, lines_of(source))
    original, copy = SessionView(source, "ann", "talk"), SessionView(target, "ann", "talk")
    assert original.checkpoint.folded_messages > 0
    assert copy.messages == original.messages
    query = "What is code 0?"
    recalled = [config.bind("ann", "talk").recall(query)[0].text for config in (source, target)]
    assert recalled[0] == recalled[1]


def test_what_was_folded_long_ago_is_recalled_from_the_copy_although_its_index_is_compressed(tmp_path):
    at_once = CompactionConfig(token_threshold=8_000, target_ratio=0.1, protected_turns=1)
    source = opened(tmp_path / "source", "event_log").replace(compaction=at_once)
    target = opened(tmp_path / "target", "event_log")
    memory = source.bind("ann", "talk")
    manager = memory.session_manager()
    agent = Agent(model=ScriptedModel(["Noted."] * 60), session_manager=manager, callback_handler=None)
    for number in range(60):
        agent(f"Remember that the code of locker {number} in hall {number % 7} is {number * 7919}.")
    manager.compact(agent)
    manager.close()
    stored = memory.client.list_events(
        memoryId=source.memory_id, actorId="ann", sessionId="talk", maxResults=100, includePayloads=True
    )
    carried = [item["blob"] for event in stored["events"] for item in event["payload"] if "blob" in item]
    assert any('"index":"' in blob for blob in carried if blob.startswith('{"agentmem":"checkpoint"'))
    imported(target, lines_of(source))
    query = "code of locker 3"
    found = [config.bind("ann", "talk").recall(query)[0] for config in (source, target)]
    assert "locker 3 in hall 3 is 23757" in found[0].text
    assert found[1].text == found[0].text
    assert found[1].event_id != found[0].event_id


def test_branches_are_read_the_same(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    imported(target, lines_of(source))

    def branch(config):
        answer = config.data_plane().list_events(
            memoryId=config.memory_id, actorId="ann", sessionId="tree",
            filter={"branch": {"name": "c", "includeParentBranches": True}},
        )  # fmt: skip
        return [event["payload"] for event in answer["events"]]

    assert len(branch(source)) == 4
    assert branch(target) == branch(source)


@pytest.fixture(scope="module")
def two_services():
    """Two services, and a number of memories in each so far."""
    return MemoryConfig.local(":memory:"), MemoryConfig.local(":memory:"), itertools.count()


ITEMS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20).map(text),
    st.lists(st.none() | st.booleans() | st.integers(-9, 9), max_size=3).map(lambda value: {"blob": value}),
    st.builds(lambda value: {"json": {"content": {"value": value}}}, st.integers(-9, 9)),
)
SAID = st.fixed_dictionaries(
    {
        "actor": st.sampled_from(["ann", "ann/bob", "anna"]),
        "session": st.sampled_from(["s-1", "s-2"]),
        "milliseconds": st.integers(0, 3),
        "items": st.lists(ITEMS, min_size=1, max_size=3),
        "metadata": st.dictionaries(st.sampled_from(["k", "team:a"]), st.sampled_from(["v 1", "x=y"]), max_size=2),
        "branch": st.none() | st.sampled_from(["b", "c"]),
    }
)
FILED = st.tuples(st.sampled_from(["/users/ann/facts/", "/elsewhere/", "/users/anna/preferences/"]), st.integers(0, 5))


@settings(max_examples=examples(20), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(said=st.lists(SAID, max_size=12), filed=st.lists(FILED, max_size=5))
def test_whatever_a_memory_holds_comes_out_of_the_copy(two_services, said, filed):
    *services, numbers = two_services
    number = next(numbers)
    source, target = (
        config.replace(
            memory_id=config.control_plane().create_memory(
                name=f"memory{number * 2 + at}", eventExpiryDuration=30, memoryStrategies=config.strategies()
            )["memory"]["id"]
        )
        for at, config in enumerate(services)
    )
    roots = {}
    for one in said:
        place = {"actor": one["actor"], "session": one["session"]}
        whose = (one["actor"], one["session"])
        more = {"metadata": {key: {"stringValue": value} for key, value in one["metadata"].items()}}
        if one["branch"] and whose in roots:
            more["branch"] = {"name": one["branch"], "rootEventId": roots[whose]}
        event_id = say(source, one["session"], one["milliseconds"], *one["items"], actor=place["actor"], **more)
        roots.setdefault(whose, event_id)
    for namespace, day in filed:
        by_hand(source, namespace, START + timedelta(days=day))
    imported(target, lines_of(source))
    assert comparable(target) == comparable(source)


@pytest.mark.parametrize("stop", [2, 9, 17])
def test_an_interrupted_import_goes_on_where_it_stopped(source, tmp_path, kind, stop):
    target = opened(tmp_path / "target", kind)
    lines = lines_of(source)

    def interrupt(number):
        if number == stop:
            raise KeyboardInterrupt

    progress = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        Import(target, progress).run(lines, on_line=interrupt)
    done = progress.getvalue().splitlines(keepends=True)
    # The last note got lost: what it was about must not be written twice.
    imported(target, lines, [*done[:-1], *(line[:5] for line in done[-1:])])
    assert comparable(target) == comparable(source)


def test_a_batch_of_records_that_was_noted_in_part_is_not_written_twice(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    *_, done = imported(target, lines_of(source))
    records = [line for line in done if line.startswith('["record ')]
    assert len(records) > 3
    imported(target, lines_of(source), [line for line in done if line not in records[1:]])
    assert comparable(target) == comparable(source)


def test_which_became_which_is_told(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    progress = io.StringIO()
    work = Import(target, progress)
    counts = work.run(lines_of(source))
    became = list(work.ids())
    assert len([one for one in became if one["kind"] == "event"]) == counts["event"]
    assert len([one for one in became if one["kind"] == "record"]) == counts["record"]
    for one in became:
        if one["kind"] == "event":
            whose = {"actorId": one["actor"], "sessionId": one["session"]}
            payloads = [
                config.data_plane().get_event(memoryId=config.memory_id, eventId=event_id, **whose)["event"]["payload"]
                for config, event_id in ((source, one["id"]), (target, one["new_id"]))
            ]
            assert len(payloads[0]) == len(payloads[1])
        else:
            texts = [
                config.data_plane().get_memory_record(memoryId=config.memory_id, memoryRecordId=record_id)
                for config, record_id in ((source, one["id"]), (target, one["new_id"]))
            ]
            assert len({found["memoryRecord"]["content"]["text"] for found in texts}) == 1


def expiring(folder, name, days):
    """Open a memory whose strategy lets records expire after so many days, or never."""
    config = MemoryConfig.local(LocalMemory(folder / f"{name}.db"), namespaces=(), name="other")
    strategy = {"name": "facts", "namespaceTemplates": ["/users/{actorId}/facts/"]}
    if days:
        strategy["recordExpirySpecification"] = {"recordExpiryDurationDays": days}
    made = config.control_plane().create_memory(
        name=name, eventExpiryDuration=30, memoryStrategies=[{"semanticMemoryStrategy": strategy}]
    )["memory"]
    return config.replace(memory_id=made["id"]), made["strategies"][0]["strategyId"]


def test_records_expire_as_they_did_to_the_day_and_those_that_never_do_stay(tmp_path):
    (source, strategy), (target, _) = expiring(tmp_path, "one", None), expiring(tmp_path, "two", 40)
    for days in (None, 31, 100, None, 365):
        source.data_plane().batch_create_memory_records(
            memoryId=source.memory_id,
            records=[
                {
                    "requestIdentifier": "0",
                    "namespaces": ["/users/ann/facts/"],
                    "content": {"text": f"Known for {days} days."},
                    "timestamp": START,
                    "memoryStrategyId": strategy,
                }
            ],
            **({"recordExpirySpecification": {"recordExpiryDurationDays": days}} if days else {}),
        )
    say(source, "s-1", 1, text("Hello."))
    work = Import(target, io.StringIO())
    work.run(lines_of(source))
    assert not work.changed
    assert comparable(target) == comparable(source)
    terms = [
        {line["text"]: line.get("expires_at") for line in map(json.loads, lines_of(config)) if line["kind"] == "record"}
        for config in (source, target)
    ]
    assert terms[0].keys() == terms[1].keys()
    for said, expires in terms[0].items():
        if expires is None:
            assert terms[1][said] is None, said
        else:
            assert 0 <= terms[1][said] - expires <= 2 * 86_400_000


def test_what_cannot_be_kept_of_a_record_is_said(tmp_path):
    (source, _), (target, _) = expiring(tmp_path, "one", 31), expiring(tmp_path, "two", None)
    say(source, "s-1", 1, text("I live in Porto. I work as a nurse. I have a sister."))
    lines = lines_of(source)
    records = [at for at, line in enumerate(lines) if '"kind": "record"' in line]
    assert len(records) == 3
    now = round(datetime.now(UTC).timestamp() * 1_000)
    for at, expires in zip(records, (now - 1, now + 86_400_000, None), strict=True):
        line = json.loads(lines[at])
        del line["expires_at"]
        if expires is None:
            line["strategy"] = "absent-strategy"
        else:
            line["expires_at"] = expires
        lines[at] = json.dumps(line)
    work = Import(target, io.StringIO())
    work.run(lines)
    assert dict(work.changed) == {
        "records not written, which have expired since they were exported": 1,
        "records that are kept longer: the service's shortest term is 31 days": 1,
        "records without their strategy, which this memory does not have": 1,
    }
    assert len([line for line in lines_of(target) if '"kind": "record"' in line]) == 2


def test_importing_again_writes_nothing(source, tmp_path, kind):
    target = opened(tmp_path / "target", kind)
    *_, done = imported(target, lines_of(source))
    *_, again = imported(target, lines_of(source), done)
    assert again == done
    assert comparable(target) == comparable(source)


def test_one_actor_alone_is_exported(tmp_path):
    config = MemoryConfig.local(tmp_path / "memory")
    say(config, "s-1", 1, text("My name is Ann and I live in Porto."))
    config.data_plane().create_event(
        memoryId=config.memory_id, actorId="bob", sessionId="s-1", eventTimestamp=START, payload=[text("I like tea.")]
    )
    lines = [json.loads(line) for line in lines_of(config, actor_id="ann")]
    assert {line["actor"] for line in lines if "actor" in line} == {"ann"}
    assert {name.split("/")[2] for line in lines for name in line.get("namespaces", ())} == {"ann"}
    assert "bob" not in json.dumps(lines)


def by_hand(config, namespace, at=START):
    """Put a record into a namespace."""
    record = {"namespaces": [namespace], "content": {"text": f"In {namespace}."}, "timestamp": at}
    answer = config.data_plane().batch_create_memory_records(
        memoryId=config.memory_id, records=[{"requestIdentifier": "0", **record}]
    )
    assert not answer["failedRecords"]


def test_records_that_no_strategy_would_file_there_are_exported_too(tmp_path):
    config = MemoryConfig.local(tmp_path / "memory")
    for namespace in ("/company/policies/", "/users/ann/facts/"):
        by_hand(config, namespace)
    texts = [json.loads(line).get("text") for line in lines_of(config)]
    assert {"In /company/policies/.", "In /users/ann/facts/."} <= set(texts)


def test_a_service_that_does_not_list_the_root_costs_no_more_than_what_is_elsewhere(tmp_path, caplog):
    config = MemoryConfig.local(tmp_path / "memory")
    for namespace in ("/company/policies/", "/users/ann/facts/"):
        by_hand(config, namespace)
    refused = refusal(400, "ValidationException")

    def meet(request, event_name, **_):
        root = event_name.endswith("ListMemoryRecords") and json.loads(request.body)["namespacePath"] == "/"
        return refused(request) if root else None

    config.data_plane().meta.events.register_first("before-send.bedrock-agentcore.*", meet)
    texts = [json.loads(line).get("text") for line in lines_of(config)]
    assert "In /users/ann/facts/." in texts
    assert "In /company/policies/." not in texts
    assert "not listed" in caplog.text


def test_the_ids_of_strategies_in_namespaces_are_those_of_the_copy(tmp_path):
    def made(name):
        memory = LocalMemory(tmp_path / f"{name}.db")
        control = memory.boto_session().client("bedrock-agentcore-control")
        strategy = {"semanticMemoryStrategy": {"name": "facts"}}
        found = control.create_memory(name=name, eventExpiryDuration=30, memoryStrategies=[strategy])["memory"]
        config = MemoryConfig.local(memory, name="other").replace(memory_id=found["id"], namespaces=())
        return config, found["strategies"][0]["strategyId"]

    (one, _), (other, strategy_id) = made("one"), made("other_one")
    say(one, "s-1", 1, text("I live in Porto."))
    imported(other, lines_of(one))
    found = [json.loads(line) for line in lines_of(other)]
    assert [line["namespaces"] for line in found if line["kind"] == "record"] == [
        [f"/strategies/{strategy_id}/actors/ann/"]
    ]


def test_an_event_of_a_branch_that_is_dated_before_its_root_is_copied_too(tmp_path):
    source, target = MemoryConfig.local(tmp_path / "source"), MemoryConfig.local(tmp_path / "target")
    root = say(source, "s-1", 5, text("Root"))
    twig = say(source, "s-1", 2, text("Dated back"), branch={"name": "b", "rootEventId": root})
    say(source, "s-1", 1, text("Further back"), branch={"name": "c", "rootEventId": twig})
    _, left_out, _ = imported(target, lines_of(source))
    assert not left_out
    assert sorted(comparable(target)) == sorted(comparable(source))
    listed = [
        [event["payload"] for event in config.data_plane().list_events(**whose)["events"]]
        for config in (source, target)
        for whose in [{"memoryId": config.memory_id, "actorId": "ann", "sessionId": "s-1"}]
    ]
    assert listed[0] == listed[1]


def test_what_cannot_be_written_is_counted(tmp_path):
    config = MemoryConfig.local(tmp_path / "source")
    root = say(config, "s-1", 1, text("Root"))
    say(config, "s-1", 2, text("Twig"), branch={"name": "b", "rootEventId": root})
    config.data_plane().delete_event(memoryId=config.memory_id, actorId="ann", sessionId="s-1", eventId=root)
    _, left_out, _ = imported(MemoryConfig.local(tmp_path / "target"), lines_of(config))
    assert dict(left_out) == {"events of a branch whose root was deleted": 1}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[:-1], "cut off"),
        (lambda lines: [*lines[:2], *lines[3:]], "some are missing"),
        (lambda lines: lines[1:], "not the beginning"),
        (lambda lines: [lines[0].replace('"format": 1', '"format": 2'), *lines[1:]], "format 2"),
        (lambda lines: [*lines[:2], lines[2][:20], *lines[3:]], "line 3: not valid JSON"),
        (lambda lines: [*lines[:2], '{"kind": "odd"}', *lines[3:]], "line 3"),
        (lambda _lines: [], "cut off"),
    ],
)
def test_a_damaged_file_is_refused_by_its_line(tmp_path, spoil, message):
    config = MemoryConfig.local(tmp_path / "source")
    for number in range(3):
        say(config, "s-1", number, text("Hello."))
    with pytest.raises(TransferError, match=message):
        imported(MemoryConfig.local(tmp_path / "target"), spoil(lines_of(config)))


def test_a_refused_call_is_an_error_and_the_next_try_completes_it(tmp_path):
    config = MemoryConfig.local(tmp_path / "source")
    for number in range(5):
        say(config, "s-1", number, text("Hello."))
    memory = LocalMemory(tmp_path / "target.db")
    target = MemoryConfig.local(memory)
    progress = io.StringIO()
    with memory.faults.inject("access_denied", "CreateEvent"), pytest.raises(ClientError):
        Import(target, progress).run(lines_of(config))
    imported(target, lines_of(config), progress.getvalue().splitlines(keepends=True))
    assert comparable(target) == comparable(config)


def test_other_checkpoints_of_the_session_are_not_overwritten(source, tmp_path, kind):
    target = opened(tmp_path / "target", "sqlite")
    for key in (("tree", "planner"), ("talk", "default")):
        open_store(target.checkpoints).save(
            CheckpointKey(target.memory_id, "ann", *key),
            Checkpoint(1, Position("9" * 19 + "#0", 0), TruncationSettings(), Summary()),
        )
    if kind == "sqlite":
        with pytest.raises(AgentMemError, match="other checkpoints"):
            imported(target, lines_of(source))
    else:
        assert imported(target, lines_of(source))[0]["checkpoint"] == 0
