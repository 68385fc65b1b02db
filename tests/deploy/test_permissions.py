import fnmatch
import json
import re
import secrets
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
    cloudformation,
    ensure_memory,
    iam_policy,
    new_session_id,
)
from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
from agentmem.checkpoints.open import open_store
from agentmem.checkpoints.summary import Summary
from agentmem.events.position import Position
from agentmem.messages.truncation import TruncationSettings
from agentmem.testing import Reply, ScriptedModel
from recording import AUTHORIZED_AS, Recorded

MEMORY_ID = "support_bot-a1b2c3d4e5"
CONFIG = MemoryConfig(memory_id=MEMORY_ID, region="us-west-2", checkpoints=DynamoDBCheckpoints(table="checkpoints"))


def actions(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


def statement(policy, sid):
    return next(one for one in policy["Statement"] if one["Sid"] == f"AgentMem{sid}")


def called_in_the_sources():
    """Every operation of the services whose method is named in the package, as IAM actions."""
    root = Path(agentmem.__file__).parent
    aside = ("local", "replay")
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


def test_the_policies_name_every_operation_the_package_calls_and_no_other():
    """What an operator calls is recorded in `cli/test_as_on_aws.py`."""
    assert actions(iam_policy(CONFIG, setup=True, operate=True)) == called_in_the_sources()


def test_the_policy_is_exactly_what_agents_really_call(checkpoint_table, dynamodb_endpoint):
    table = DynamoDBCheckpoints(table=checkpoint_table, endpoint_url=dynamodb_endpoint)
    opened = MemoryConfig.local(
        ":memory:",
        region="us-west-2",
        compaction=CompactionConfig(token_threshold=1_000, protected_turns=1),
        checkpoints=table,
    )
    session = opened.boto_session()
    session.__dict__.pop("_agentmem_clients")  # making the memory is not an agent's work
    recorded = Recorded(session)
    for config in (opened, opened.replace(checkpoints=table.replace(ttl_days=200))):  # the second renews the expiry
        work(config)
    memory = config.bind("ann", SESSION)
    memory.recall("locker number")
    memory.search("facts", "locker number")
    memory.wait_for_memories("facts", since=memory.mark(), max_wait=0)
    spill(config)
    assert recorded.actions == actions(iam_policy(config))
    made = cloudformation(config)["Resources"]["AgentPolicy"]["Properties"]["PolicyDocument"]
    assert recorded.actions == actions(made)


SESSION = new_session_id("ann")


def work(config):
    """Talk until the session is compacted, and redact what was said last after it is saved."""
    memory = config.bind("ann", SESSION)
    manager = memory.session_manager()
    model = ScriptedModel([Reply("Noted. " * 200) for _ in range(3)])
    agent = Agent(model=model, session_manager=manager, hooks=[memory.hook()], callback_handler=None)
    for number in range(3):
        agent(f"My locker number is {number}. " * 40)
    assert manager.flush(agent)
    last = next(message for message in reversed(agent.messages) if message["role"] == "user")
    manager.redact_latest_message({**last, "content": [{"text": "[removed]"}]}, agent)
    manager.close()


def spill(config):
    """Keep a checkpoint that is too large for one item."""
    store = open_store(config.checkpoints, boto_session=config.boto_session(), region=config.region)
    key = CheckpointKey(config.memory_id, "ann", SESSION, "large")
    large = Summary(narrative=secrets.token_hex(800_000))
    store.save(key, Checkpoint(1, Position(f"{1:019d}#0", 0), TruncationSettings(), large))
    assert store.load(key).summary == large


def test_setting_up_needs_no_more_than_its_policy():
    config = MemoryConfig.local(":memory:").replace(memory_id="")
    recorded = Recorded(config.boto_session())
    config.boto_session().__dict__.pop("_agentmem_clients")
    config = ensure_memory(config, "support_bot")
    more = (*config.namespaces, Namespace.semantic("more", "/more/{actorId}/"))
    ensure_memory(config.replace(namespaces=more), "support_bot")
    assert recorded.actions == actions(iam_policy(config, setup=True)) - actions(iam_policy(config))


def test_an_agent_may_neither_set_up_nor_look_into_others_memories():
    beyond = ("CreateMemory", "UpdateMemory", "Table", "ListActors", "ListSessions", "Batch", "DeleteMemory", "Scan")
    named = {action for action in actions(iam_policy(CONFIG)) if any(word in action for word in beyond)}
    assert named == {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"}


def test_an_operator_may_look_everywhere_in_this_memory_and_nowhere_else():
    policy = iam_policy(CONFIG, operate=True)
    assert "Condition" not in statement(policy, "Operate")
    assert statement(policy, "Operate")["Resource"].endswith(f"memory/{MEMORY_ID}")
    assert not {action for action in actions(policy) if ":CreateMemory" in action or "CreateTable" in action}
    without_table = iam_policy(CONFIG.replace(checkpoints={"kind": "event_log"}), operate=True)
    assert not {action for action in actions(without_table) if action.startswith("dynamodb:")}


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
    assert len(json.dumps(iam_policy(CONFIG, setup=True, operate=True), separators=(",", ":"))) < 6_144


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
