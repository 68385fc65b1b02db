"""The template is held to CloudFormation's schemas, to the policies, and to what the package makes by itself."""

import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from agentmem import (
    ConfigurationError,
    DynamoDBCheckpoints,
    LocalMemory,
    MemoryConfig,
    Namespace,
    cloudformation,
    iam_policy,
)
from agentmem.checkpoints.dynamodb.create import create_table
from agentmem.checkpoints.open import dynamodb_client
from agentmem.cli.app import app
from agentmem.deploy.provisioning import shortcomings

ACCOUNT, MEMORY_ID = "123456789012", "support_bot-a1b2c3d4e5"
MEMORY_ARN = f"arn:aws:bedrock-agentcore:us-west-2:{ACCOUNT}:memory/{MEMORY_ID}"
TABLE_ARN = f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table/checkpoints"
ATTRIBUTES = {
    ("Memory", "MemoryId"): MEMORY_ID,
    ("Memory", "MemoryArn"): MEMORY_ARN,
    ("CheckpointTable", "Arn"): TABLE_ARN,
}
PSEUDO = {"AWS::Region": "us-west-2", "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::NoValue": None}
WITH_TABLE = MemoryConfig(region="us-west-2", checkpoints=DynamoDBCheckpoints(table="checkpoints"))
EVERYTHING = MemoryConfig(
    namespaces=(
        Namespace.custom(
            "own",
            "/teams/{team}/{actorId}/",
            variables=("team",),
            configuration={"semanticOverride": {"extraction": {"appendToPrompt": "Numbers only.", "modelId": "m"}}},
        ),
        Namespace.episodic("episodes", "/episodes/{actorId}/{sessionId}/", reflection_template="/episodes/{actorId}/"),
        Namespace.semantic("facts", "/facts/{actorId}/", description="What is known."),
    ),
)


class Stack:
    """What CloudFormation would make of a template's expressions with some parameters given."""

    def __init__(self, template, **given):
        self.template = template
        defaults = {name: one.get("Default") for name, one in template["Parameters"].items()}
        self.values = {**PSEUDO, **defaults, **given}
        self.values["ModelArns"] = [arn for arn in str(self.values["ModelArns"]).split(",") if arn]

    def __call__(self, value):
        if isinstance(value, list):
            return [one for one in map(self, value) if one is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if made := getattr(self, f"_{function.rpartition('::')[2].lower()}", None):
                return made(argument)
        return {key: made for key, one in value.items() if (made := self(one)) is not None}

    def properties(self, name):
        return self(self.template["Resources"][name]["Properties"])

    def output(self, name):
        return self(self.template["Outputs"][name]["Value"])

    def _ref(self, name):
        return self.values.get(name, name) if name not in self.template["Resources"] else self._named(name)

    def _named(self, name):
        return self("checkpoints") if name == "CheckpointTable" else f"<{name}>"

    def _getatt(self, path):
        return ATTRIBUTES.get(tuple(path), f"<{'.'.join(path)}>")

    def _sub(self, text):
        return re.sub(
            r"\$\{([^}]+)\}",
            lambda one: str(self._getatt(one[1].split(".")) if "." in one[1] else self._ref(one[1])),
            text,
        )

    def _join(self, argument):
        return argument[0].join(self(argument[1]))

    def _select(self, argument):
        return self(argument[1])[argument[0]]

    def _split(self, argument):
        return self(argument[1]).split(argument[0])

    def _equals(self, argument):
        return self(argument[0]) == self(argument[1])

    def _not(self, argument):
        return not self(argument[0])

    def _if(self, argument):
        return self(argument[1 if self(self.template["Conditions"][argument[0]]) else 2])


@pytest.mark.parametrize("options", [{}, {"monitoring": False}], ids=["monitored", "alone"])
@pytest.mark.parametrize("config", [WITH_TABLE, EVERYTHING, MemoryConfig(namespaces=())], ids=["table", "all", "none"])
def test_cfn_lint_finds_nothing(config, options, tmp_path):
    assert linted(cloudformation(config, **options), tmp_path) == (0, "", "")


def test_cfn_lint_would_find_a_mistake(tmp_path):
    template = cloudformation(WITH_TABLE)
    template["Resources"]["Memory"]["Properties"]["Nonsense"] = {}
    assert "Nonsense" in linted(template, tmp_path)[1]


def linted(template, folder):
    """Check a template with the schemas that cfn-lint brings along: it asks nobody."""
    file = folder / "template.json"
    file.write_text(json.dumps(template))
    command = [sys.executable, "-c", "from cfnlint.runner import main; main()", str(file)]
    done = subprocess.run(
        [*command, "--regions", "us-west-2", "eu-central-1"], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_agent_may_do_what_iam_policy_says_and_no_more():
    """Of which `test_permissions.py` says that it is what agents really call."""
    policy = Stack(cloudformation(WITH_TABLE)).properties("AgentPolicy")["PolicyDocument"]
    assert policy == iam_policy(WITH_TABLE.replace(memory_id=MEMORY_ID), account_id=ACCOUNT)


@pytest.mark.parametrize("role", ["AgentRole", "MemoryRole"])
def test_agentcore_takes_a_role_for_this_account_and_region_only(role):
    [trusted] = Stack(cloudformation(EVERYTHING)).properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "bedrock-agentcore.amazonaws.com"}
    assert trusted["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    [source] = trusted["Condition"]["ArnLike"].values()
    assert source.startswith(f"arn:aws:bedrock-agentcore:us-west-2:{ACCOUNT}:")


def test_models_and_images_are_open_only_when_named():
    template = cloudformation(WITH_TABLE)
    assert [one["PolicyName"] for one in Stack(template).properties("AgentRole")["Policies"]] == ["runtime"]
    model = "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0"
    given = Stack(template, ModelArns=model, ImageRepository="bot").properties("AgentRole")["Policies"]
    assert [one["PolicyName"] for one in given] == ["runtime", "models", "image"]
    assert given[1]["PolicyDocument"]["Statement"][0]["Resource"] == [model]
    assert given[2]["PolicyDocument"]["Statement"][0]["Resource"].endswith(":repository/bot")


def test_from_env_reads_the_outputs(monkeypatch):
    stack = Stack(cloudformation(WITH_TABLE), EventExpiryDays=40)
    for pair in stack.output("Environment").split():
        monkeypatch.setenv(*pair.split("=", 1))
    config = MemoryConfig.from_env()
    assert (config.memory_id, config.region) == (MEMORY_ID, "us-west-2")
    assert config.checkpoints == DynamoDBCheckpoints(table="checkpoints", event_expiry_days=40)
    assert stack.output("MemoryId") == MEMORY_ID


def in_camel_case(value):
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: in_camel_case(one) for key, one in value.items()}
    return [in_camel_case(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("config", [WITH_TABLE, EVERYTHING], ids=["defaults", "all"])
def test_the_memory_it_makes_is_the_one_the_configuration_needs(config):
    properties = in_camel_case(Stack(cloudformation(config, name="support_bot")).properties("Memory"))
    if role := properties.pop("memoryExecutionRoleArn", None):
        properties["memoryExecutionRoleArn"] = f"arn:aws:iam::{ACCOUNT}:role/{role.strip('<>').partition('.')[0]}"
    with LocalMemory() as memory:
        control = memory.boto_session("us-west-2").client("bedrock-agentcore-control")
        made = control.create_memory(**properties)["memory"]
        assert made["name"] == "support_bot"
        assert shortcomings(config, control.get_memory(memoryId=made["id"])["memory"]) == []


def test_the_table_it_makes_is_one_for_checkpoints(dynamodb_endpoint):
    config = DynamoDBCheckpoints(table="from-template", endpoint_url=dynamodb_endpoint)
    properties = Stack(cloudformation(WITH_TABLE.replace(checkpoints=config))).properties("CheckpointTable")
    client = dynamodb_client(config, boto_session=None, region="us-west-2")
    expiry, recovery = properties.pop("TimeToLiveSpecification"), properties.pop("PointInTimeRecoverySpecification")
    client.create_table(**properties)
    assert create_table(client, "from-template") is False  # it is there, and its keys are the right ones
    found = client.describe_time_to_live(TableName="from-template")["TimeToLiveDescription"]
    assert (found["AttributeName"], expiry["Enabled"]) == (expiry["AttributeName"], True)
    assert recovery == {"PointInTimeRecoveryEnabled": True}


def test_what_users_said_outlives_the_stack():
    resources = cloudformation(WITH_TABLE)["Resources"]
    kept = {name for name, one in resources.items() if one.get("DeletionPolicy") == "Retain"}
    assert kept == {"Memory", "CheckpointTable"}
    assert {resources[name]["UpdateReplacePolicy"] for name in kept} == {"Retain"}


def test_logs_and_traces_of_the_memory_are_delivered():
    stack = Stack(cloudformation(WITH_TABLE))
    sources = [stack.properties(name) for name in ("LogSource", "TraceSource")]
    assert [(one["LogType"], one["ResourceArn"]) for one in sources] == [
        ("APPLICATION_LOGS", MEMORY_ARN),
        ("TRACES", MEMORY_ARN),
    ]
    assert all(len(one["Name"]) <= 60 for one in sources)
    assert stack.properties("TraceDestination")["DeliveryDestinationType"] == "XRAY"
    for name in ("MemoryLogsPolicy", "TracePolicy"):
        [statement] = json.loads(stack.properties(name)["PolicyDocument"])["Statement"]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_the_dashboard_and_the_alarms_name_metrics_that_exist():
    from agentmem.support.telemetry import _COUNTERS, _HISTOGRAMS

    stack = Stack(cloudformation(WITH_TABLE))
    widgets = json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]
    shown = {(metric[0], metric[1]) for widget in widgets for metric in widget["properties"]["metrics"]}
    kinds = cloudformation(WITH_TABLE)["Resources"]
    alarms = [stack.properties(name) for name, one in kinds.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    shown |= {(alarm["Namespace"], alarm["MetricName"]) for alarm in alarms}
    ours = {name for namespace, name in shown if namespace == "agentmem"}
    assert ours
    assert ours <= {*_COUNTERS, *_HISTOGRAMS}
    assert {namespace for namespace, _ in shown} == {"agentmem", "AWS/Bedrock-AgentCore"}
    assert all("AlarmActions" not in alarm for alarm in alarms)
    told = Stack(cloudformation(WITH_TABLE), AlarmTopicArn="arn:aws:sns:us-west-2:123456789012:ops")
    assert told.properties("MessagesDropped")["AlarmActions"] == ["arn:aws:sns:us-west-2:123456789012:ops"]


def test_without_dynamodb_there_is_no_table():
    template = cloudformation(MemoryConfig())
    assert "CheckpointTable" not in json.dumps(template)
    assert "dynamodb" not in json.dumps(template)


@pytest.mark.parametrize(
    ("config", "options", "said"),
    [
        (MemoryConfig(), {"name": "support-bot"}, "name = 'support-bot'"),
        (MemoryConfig(), {"event_expiry_days": 366}, "event_expiry_days = 366"),
        (MemoryConfig(checkpoints=DynamoDBCheckpoints(table=TABLE_ARN)), {}, "and not an ARN"),
    ],
)
def test_what_cannot_be_made_is_refused(config, options, said):
    with pytest.raises(ConfigurationError, match=said):
        cloudformation(config, **options)


def test_the_name_is_that_of_the_configured_memory():
    named = cloudformation(MemoryConfig(memory_id=MEMORY_ID))
    assert named["Parameters"]["MemoryName"]["Default"] == "support_bot"


def test_the_command_prints_the_template_of_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agentmem.toml").write_text('local_path = "./.agentmem"\n')
    done = CliRunner().invoke(app, ["template", "--name", "support_bot", "--table", "checkpoints"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == cloudformation(WITH_TABLE, name="support_bot")
    assert not (tmp_path / ".agentmem").exists()
