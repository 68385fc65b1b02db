import fnmatch
import json
import re
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name
from strands import Agent

import agentmem
from agentmem import (
    CompactionConfig,
    ConfigurationError,
    DynamoDBCheckpoints,
    MemoryConfig,
    Namespace,
    ensure_memory,
    iam_policy,
    new_session_id,
)
from agentmem.replay.calls import ApiCalls
from agentmem.testing import Reply, ScriptedModel

MEMORY_ID = "support_bot-a1b2c3d4e5"
CONFIG = MemoryConfig(memory_id=MEMORY_ID, region="us-west-2", checkpoints=DynamoDBCheckpoints(table="checkpoints"))
NOT_FOR_AGENTS = {
    "bedrock-agentcore:BatchCreateMemoryRecords",
    "bedrock-agentcore:BatchDeleteMemoryRecords",
    "bedrock-agentcore:ListActors",
    "bedrock-agentcore:ListSessions",
    "dynamodb:DeleteItem",
    "dynamodb:Scan",
}
"""Called by what people do at the command line: looking a memory through, forgetting a person, import."""

AUTHORIZED_AS = {"dynamodb:TransactWriteItems": "dynamodb:PutItem"}


def actions(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def statement(policy, sid):
    return next(one for one in policy["Statement"] if one["Sid"] == f"AgentMem{sid}")


def called_in_the_sources():
    """Every operation of the services whose method is named in the package, as IAM actions."""
    root = Path(agentmem.__file__).parent
    aside = ("local", "cli", "replay")
    files = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in aside]
    text = "\n".join(path.read_text() for path in files)
    words = set(re.findall(r"""(?:\.|["'])([a-z_]+)(?:\(|["'])""", text))
    found = set()
    for service, prefix in (
        ("bedrock-agentcore", "bedrock-agentcore"),
        ("bedrock-agentcore-control", "bedrock-agentcore"),
        ("dynamodb", "dynamodb"),
    ):
        model = botocore.session.get_session().get_service_model(service)
        for operation in model.operation_names:
            name = xform_name(operation)
            memory = (
                prefix == "dynamodb" or "memor" in name or name.endswith(("_event", "_events", "_actors", "_sessions"))
            )
            if memory and name in words:
                action = f"{prefix}:{operation}"
                found.add(AUTHORIZED_AS.get(action, action))
    return found


def test_the_policy_names_every_operation_the_package_calls_and_no_other():
    assert actions(iam_policy(CONFIG, setup=True)) == called_in_the_sources() - NOT_FOR_AGENTS


def test_the_policy_names_every_operation_that_an_agent_really_calls(checkpoint_table, dynamodb_endpoint):
    calls = ApiCalls()
    opened = MemoryConfig.local(
        ":memory:",
        region="us-west-2",
        compaction=CompactionConfig(token_threshold=1_000, protected_turns=1),
        checkpoints=DynamoDBCheckpoints(table=checkpoint_table, endpoint_url=dynamodb_endpoint),
    )
    calls.attach(opened.boto_session())
    memory = opened.bind("ann", new_session_id("ann"))
    for _ in range(2):
        model = ScriptedModel([Reply("Noted. " * 200) for _ in range(3)])
        manager = memory.session_manager()
        agent = Agent(model=model, session_manager=manager, hooks=[memory.hook()], callback_handler=None)
        for number in range(3):
            agent(f"My locker number is {number}. " * 40)
        manager.close()
    memory.recall("locker number")
    memory.search("facts", "locker number")
    memory.wait_for_memories("facts", since=memory.mark(), max_wait=0)
    called = set(calls.by_operation)
    assert {"CreateEvent", "ListEvents", "TransactWriteItems", "RetrieveMemoryRecords"} <= called
    called = {"PutItem" if name == "TransactWriteItems" else name for name in called}
    assert called <= {action.partition(":")[2] for action in actions(iam_policy(opened))}


def test_setting_up_needs_no_more_than_its_policy():
    calls = ApiCalls()
    config = MemoryConfig.local(":memory:").replace(memory_id="")
    calls.attach(config.boto_session())
    config.boto_session().__dict__.pop("_agentmem_clients")
    config = ensure_memory(config, "support_bot")
    more = (*config.namespaces, Namespace.semantic("more", "/more/{actorId}/"))
    ensure_memory(config.replace(namespaces=more), "support_bot")
    assert set(calls.by_operation) == {"CreateMemory", "GetMemory", "ListMemories", "UpdateMemory"}
    allowed = {action.partition(":")[2] for action in actions(iam_policy(config, setup=True))}
    assert set(calls.by_operation) <= allowed


def test_an_agent_may_not_set_up():
    assert not {a for a in actions(iam_policy(CONFIG)) if "CreateMemory" in a or "UpdateMemory" in a or "Table" in a}


def test_everything_is_held_to_this_memory_and_this_table():
    policy = iam_policy(CONFIG, account_id="123456789012")
    assert {one["Resource"] for one in policy["Statement"]} == {
        f"arn:aws:bedrock-agentcore:us-west-2:123456789012:memory/{MEMORY_ID}",
        "arn:aws:dynamodb:us-west-2:123456789012:table/checkpoints",
    }


def test_searches_are_held_to_the_configured_namespaces():
    policy = iam_policy(CONFIG)
    [patterns] = statement(policy, "Namespaces")["Condition"]["StringLike"].values()
    [paths] = statement(policy, "NamespacePaths")["Condition"]["StringLike"].values()
    memory = CONFIG.bind("ann", "s-1")
    for namespace in CONFIG.namespaces:
        assert any(fnmatch.fnmatchcase(memory.namespace(namespace.name), pattern) for pattern in patterns)
        assert any(fnmatch.fnmatchcase(memory.subtree(namespace.name), pattern) for pattern in paths)
    for elsewhere in ("/", "/users/", "/other/ann/", "/company/policies/"):
        assert not any(fnmatch.fnmatchcase(elsewhere, pattern) for pattern in (*patterns, *paths))


def test_without_namespaces_no_record_may_be_read():
    policy = iam_policy(CONFIG.replace(namespaces=(), checkpoints={"kind": "event_log"}))
    events = ("CreateEvent", "DeleteEvent", "GetEvent", "ListEvents")
    assert actions(policy) == {f"bedrock-agentcore:{name}" for name in events}


def test_arns_and_other_partitions_are_understood():
    arn = f"arn:aws-cn:bedrock-agentcore:cn-north-1:123456789012:memory/{MEMORY_ID}"
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/checkpoints"
    policy = iam_policy(CONFIG.replace(memory_id=arn, checkpoints=DynamoDBCheckpoints(table=table)))
    assert {one["Resource"] for one in policy["Statement"]} == {arn, table}
    policy = iam_policy(CONFIG.replace(region="us-gov-west-1"))
    assert all(one["Resource"].startswith("arn:aws-us-gov:") for one in policy["Statement"])


def test_the_policy_is_json_within_the_limit_of_a_managed_policy():
    assert len(json.dumps(iam_policy(CONFIG, setup=True), separators=(",", ":"))) < 6_144


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        (CONFIG.replace(memory_id=""), {}, "memory_id is missing"),
        (CONFIG.replace(region=None), {}, "region is missing"),
        (CONFIG, {"account_id": "12345"}, "account_id = '12345'"),
    ],
)
def test_what_is_missing_is_named(config, options, said):
    with pytest.raises(ConfigurationError, match=said):
        iam_policy(config, **options)
