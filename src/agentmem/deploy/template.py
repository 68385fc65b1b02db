"""Writes the CloudFormation template of a memory: strategies, checkpoint table, roles, logs, traces and alarms.

The template is plain data without side effects. It holds no account, no region and no id, so that one template serves
every account. CloudFormation, the CDK (``CfnInclude``) and Terraform (``aws_cloudformation_stack``) deploy it alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from agentmem.deploy.monitoring import MONITORING_CONDITIONS, MONITORING_PARAMETERS, monitoring_resources
from agentmem.deploy.permissions import memory_statements, table_statement
from agentmem.deploy.provisioning import EVENT_EXPIRY_DAYS
from agentmem.errors import ConfigurationError
from agentmem.scope.namespaces import NAME_PATTERN
from agentmem.settings.sections import DynamoDBCheckpoints

if TYPE_CHECKING:
    from agentmem.scope.scope import Configuration

DEFAULT_NAME = "agentmem"

MEMORY_ARN = {"Fn::GetAtt": ["Memory", "MemoryArn"]}
MEMORY_ID = {"Fn::GetAtt": ["Memory", "MemoryId"]}
_KEPT = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
"""Deleting the stack leaves what users said where it is."""

_MODEL_ACTIONS = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
_EXTRACTION_POLICY = (
    "arn:${AWS::Partition}:iam::aws:policy/AmazonBedrockAgentCoreMemoryBedrockModelInferenceExecutionRolePolicy"
)
"""The managed policy of AWS for memories whose custom strategies call a model."""

_MODELS_GIVEN, _REPOSITORY_GIVEN = "ModelsGiven", "RepositoryGiven"


def cloudformation(
    config: Configuration,
    *,
    name: str | None = None,
    event_expiry_days: int = EVENT_EXPIRY_DAYS,
    monitoring: bool = True,
) -> dict[str, Any]:
    """Write the CloudFormation template of what an agent with a configuration needs on AWS.

    It makes the memory with one strategy for each namespace, the checkpoint table when checkpoints are in DynamoDB, the
    least policy for the agent's calls, and an execution role for AgentCore Runtime with that policy. With `monitoring`
    it also makes the delivery of the memory's logs and traces, a dashboard and alarms. The memory and the table outlive
    the stack. A memory id, a region and a local path of the configuration are not used.

    Args:
        config: The configuration: its namespaces and where its checkpoints live.
        name: The memory's name; None for the one in the configuration's memory id, or ``agentmem``.
        event_expiry_days: The default of the parameter ``EventExpiryDays``, 3 to 365 days.
        monitoring: Whether logs, traces, the dashboard and the alarms are part of it.

    Returns:
        The template, ready for `json.dumps`. Its output ``Environment`` holds the variables that
        `MemoryConfig.from_env` reads, as ``NAME=value`` with a space between.

    Raises:
        ConfigurationError: The name or the number of days is malformed, or the checkpoint table is given as an ARN,
            which means that another stack owns it.
    """
    name = name or config.memory_id.rpartition("/")[2].rpartition("-")[0] or DEFAULT_NAME
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError(f"name = {name!r}: give a letter and up to 47 letters, digits and underscores.")
    if not 3 <= event_expiry_days <= 365:
        raise ConfigurationError(f"event_expiry_days = {event_expiry_days!r}: CloudFormation takes 3 to 365.")
    table = config.checkpoints if isinstance(config.checkpoints, DynamoDBCheckpoints) else None
    if table is not None and table.table.startswith("arn:"):
        raise ConfigurationError(
            f"checkpoints.table = {table.table!r}: the template makes the table, so give its name and not an ARN."
        )
    resources = {"Memory": _memory(config), **_roles(config, table is not None)}
    if table is not None:
        resources["CheckpointTable"] = _table()
    if monitoring:
        resources |= monitoring_resources()
    conditions = {
        _MODELS_GIVEN: {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", {"Ref": "ModelArns"}]}, ""]}]},
        _REPOSITORY_GIVEN: {"Fn::Not": [{"Fn::Equals": [{"Ref": "ImageRepository"}, ""]}]},
        **(MONITORING_CONDITIONS if monitoring else {}),
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Memory of a Strands agent on Amazon Bedrock AgentCore, made by agentmem.",
        "Parameters": _parameters(name, event_expiry_days, table, monitoring=monitoring),
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": _outputs(table is not None, monitoring=monitoring),
    }


def _parameters(
    name: str, event_expiry_days: int, table: DynamoDBCheckpoints | None, *, monitoring: bool
) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "MemoryName": {
            "Type": "String",
            "Default": name,
            "AllowedPattern": f"^{NAME_PATTERN}$",
            "Description": "The memory's name: a letter and up to 47 letters, digits and underscores.",
        },
        "EventExpiryDays": {
            "Type": "Number",
            "Default": event_expiry_days,
            "MinValue": 3,
            "MaxValue": 365,
            "Description": "Days the memory keeps events.",
        },
        "ModelArns": {
            "Type": "CommaDelimitedList",
            "Default": "",
            "Description": "ARNs of the models and inference profiles that the agent may call; empty for none.",
        },
        "ImageRepository": {
            "Type": "String",
            "Default": "",
            "Description": "The ECR repository of the agent's image; empty when the agent is a zip file.",
        },
    }
    if table is not None:
        parameters["CheckpointTableName"] = {
            "Type": "String",
            "Default": table.table,
            "AllowedPattern": "^[a-zA-Z0-9_.-]{3,255}$",
            "Description": "The DynamoDB table of the checkpoints.",
        }
    return parameters | (MONITORING_PARAMETERS if monitoring else {})


def _memory(config: Configuration) -> dict[str, Any]:
    properties: dict[str, Any] = {"Name": {"Ref": "MemoryName"}, "EventExpiryDuration": {"Ref": "EventExpiryDays"}}
    if config.namespaces:
        properties["MemoryStrategies"] = _in_pascal_case(config.strategies())
    if config.variables():
        properties["NamespaceKeys"] = [{"Key": key} for key in config.variables()]
    if _calls_a_model(config):
        properties["MemoryExecutionRoleArn"] = {"Fn::GetAtt": ["MemoryRole", "Arn"]}
    return {"Type": "AWS::BedrockAgentCore::Memory", **_KEPT, "Properties": properties}


def _table() -> dict[str, Any]:
    """Describe the same table as `agentmem.checkpoints.dynamodb.create` makes."""
    keys = (("pk", "HASH"), ("sk", "RANGE"))
    return {
        "Type": "AWS::DynamoDB::Table",
        **_KEPT,
        "Properties": {
            "TableName": {"Ref": "CheckpointTableName"},
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
            "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys],
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        },
    }


def _roles(config: Configuration, has_table: bool) -> dict[str, Any]:
    statements = memory_statements(config, MEMORY_ARN)
    if has_table:
        statements.append(table_statement({"Fn::GetAtt": ["CheckpointTable", "Arn"]}))
    roles = {
        "AgentPolicy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "Description": "What an agent with agentmem calls, and no more.",
                "PolicyDocument": _document(statements),
            },
        },
        "AgentRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Description": "Execution role of the agent in AgentCore Runtime.",
                "AssumeRolePolicyDocument": _trust("*"),
                "ManagedPolicyArns": [{"Ref": "AgentPolicy"}],
                "Policies": [
                    _inline("runtime", _runtime_statements()),
                    {"Fn::If": [_MODELS_GIVEN, _inline("models", [_models()]), {"Ref": "AWS::NoValue"}]},
                    {"Fn::If": [_REPOSITORY_GIVEN, _inline("image", _image_statements()), {"Ref": "AWS::NoValue"}]},
                ],
            },
        },
    }
    if _calls_a_model(config):
        roles["MemoryRole"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "Description": "Lets the memory call the models of its custom strategies.",
                "AssumeRolePolicyDocument": _trust("memory/*"),
                "ManagedPolicyArns": [{"Fn::Sub": _EXTRACTION_POLICY}],
            },
        }
    return roles


def _trust(resource: str) -> dict[str, Any]:
    """Return a trust policy that AgentCore can use on behalf of this account's resources only (confused deputy)."""
    source = f"arn:${{AWS::Partition}}:bedrock-agentcore:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"
    trusted = {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock-agentcore.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": source}},
        },
    }
    return _document([trusted])


def _runtime_statements() -> list[dict[str, Any]]:
    """Return what AgentCore Runtime itself does under an execution role, by AWS's page on its permissions."""
    groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/bedrock-agentcore/runtimes/*"
    identities = (
        "arn:${AWS::Partition}:bedrock-agentcore:${AWS::Region}:${AWS::AccountId}:workload-identity-directory/default"
    )
    traces = ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    metrics = {"StringEquals": {"cloudwatch:namespace": "bedrock-agentcore"}}
    return [
        _allowed(["logs:CreateLogGroup", "logs:DescribeLogStreams"], {"Fn::Sub": groups}),
        _allowed(["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::Sub": f"{groups}:log-stream:*"}),
        _allowed(["logs:DescribeLogGroups"], {"Fn::Sub": groups.replace("/aws/bedrock-agentcore/runtimes/*", "*")}),
        _allowed(traces, "*"),
        {**_allowed(["cloudwatch:PutMetricData"], "*"), "Condition": metrics},
        _allowed(
            ["bedrock-agentcore:GetWorkloadAccessToken", "bedrock-agentcore:GetWorkloadAccessTokenForJWT"],
            [{"Fn::Sub": identities}, {"Fn::Sub": f"{identities}/workload-identity/*"}],
        ),
    ]


def _image_statements() -> list[dict[str, Any]]:
    repository = "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/${ImageRepository}"
    return [
        _allowed(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], {"Fn::Sub": repository}),
        _allowed(["ecr:GetAuthorizationToken"], "*"),
    ]


def _models() -> dict[str, Any]:
    return _allowed(_MODEL_ACTIONS, {"Ref": "ModelArns"})


def _outputs(has_table: bool, *, monitoring: bool) -> dict[str, Any]:
    variables = {"BEDROCK_AGENTCORE_MEMORY_ID": "${Memory.MemoryId}", "AWS_REGION": "${AWS::Region}"}
    outputs: dict[str, Any] = {
        "MemoryId": {"Description": "BEDROCK_AGENTCORE_MEMORY_ID", "Value": MEMORY_ID},
        "MemoryArn": {"Value": MEMORY_ARN},
        "AgentRoleArn": {
            "Description": "Execution role for AgentCore Runtime",
            "Value": {"Fn::GetAtt": ["AgentRole", "Arn"]},
        },
        "AgentPolicyArn": {
            "Description": "Policy for the role of an agent that runs elsewhere",
            "Value": {"Ref": "AgentPolicy"},
        },
    }
    if has_table:
        outputs["CheckpointTable"] = {
            "Description": "AGENTMEM_CHECKPOINTS__TABLE",
            "Value": {"Ref": "CheckpointTable"},
        }
        variables |= {
            "AGENTMEM_CHECKPOINTS__KIND": "dynamodb",
            "AGENTMEM_CHECKPOINTS__TABLE": "${CheckpointTable}",
            "AGENTMEM_CHECKPOINTS__EVENT_EXPIRY_DAYS": "${EventExpiryDays}",
        }
    if monitoring:
        outputs["Dashboard"] = {"Description": "CloudWatch dashboard", "Value": {"Ref": "Dashboard"}}
    pairs = " ".join(f"{variable}={value}" for variable, value in variables.items())
    outputs["Environment"] = {"Description": "Variables that from_env reads", "Value": {"Fn::Sub": pairs}}
    return outputs


def _calls_a_model(config: Configuration) -> bool:
    return any(namespace.kind == "custom" for namespace in config.namespaces)


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _inline(name: str, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"PolicyName": name, "PolicyDocument": _document(statements)}


def _allowed(actions: list[str], resource: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _in_pascal_case(value: Any) -> Any:
    """Return a parameter of the control plane as the property of CloudFormation, which begins names with capitals."""
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _in_pascal_case(inner) for key, inner in value.items()}
    return [_in_pascal_case(inner) for inner in value] if isinstance(value, list | tuple) else value
