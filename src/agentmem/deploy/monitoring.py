"""Describes the delivery of a memory's logs and traces, the dashboard and the alarms, for a template.

Metrics of the service are named as in AWS's guide and its CDK constructs: the CloudWatch namespace
``AWS/Bedrock-AgentCore`` with the dimensions ``Resource`` (the memory's ARN) and ``Operation``. Metrics of the package
reach CloudWatch through an OpenTelemetry collector (docs/how-to/operate.md), which adds the dimension ``OTelLib``.
"""

from __future__ import annotations

import json
from typing import Any

SERVICE_NAMESPACE = "AWS/Bedrock-AgentCore"
PACKAGE_NAMESPACE = "agentmem"

_TRACED, _NOTIFIED = "TracesWanted", "TopicGiven"

MONITORING_PARAMETERS: dict[str, Any] = {
    "LogRetentionDays": {
        "Type": "Number",
        "Default": 30,
        "AllowedValues": [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653],
        "Description": "Days CloudWatch keeps the memory's logs.",
    },
    "Traces": {
        "Type": "String",
        "Default": "true",
        "AllowedValues": ["true", "false"],
        "Description": "Send the memory's spans to X-Ray; the account must have Transaction Search enabled.",
    },
    "AlarmTopicArn": {
        "Type": "String",
        "Default": "",
        "Description": "The SNS topic that alarms notify; empty for alarms that only show.",
    },
}

MONITORING_CONDITIONS: dict[str, Any] = {
    _TRACED: {"Fn::Equals": [{"Ref": "Traces"}, "true"]},
    _NOTIFIED: {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}]},
}

_SUFFIX = {"Fn::Select": [1, {"Fn::Split": ["-", {"Fn::GetAtt": ["Memory", "MemoryId"]}]}]}
"""The ten characters after the memory's name: names of deliveries are too short for a whole id."""

_WIDGETS = (
    (
        "Calls of the memory",
        "Sum",
        [
            [SERVICE_NAMESPACE, "Invocations", "Resource", "${Memory.MemoryArn}", "Operation", "CreateEvent"],
            [SERVICE_NAMESPACE, "Errors", "Resource", "${Memory.MemoryArn}", "Operation", "CreateEvent"],
            [SERVICE_NAMESPACE, "Throttles", "Resource", "${Memory.MemoryArn}", "Operation", "CreateEvent"],
            [SERVICE_NAMESPACE, "Errors", "Resource", "${Memory.MemoryArn}", "Operation", "RetrieveMemoryRecords"],
        ],
    ),
    (
        "Latency of the memory",
        "p90",
        [
            [SERVICE_NAMESPACE, "Latency", "Resource", "${Memory.MemoryArn}", "Operation", name]
            for name in ("CreateEvent", "ListEvents", "RetrieveMemoryRecords")
        ],
    ),
    (
        "Messages",
        "Sum",
        [
            [PACKAGE_NAMESPACE, f"agentmem.{name}", "OTelLib", "agentmem"]
            for name in ("messages.saved", "messages.dropped", "events.failed")
        ],
    ),
    (
        "Compactions",
        "Sum",
        [
            [PACKAGE_NAMESPACE, "agentmem.compactions", "OTelLib", "agentmem", "agentmem.trigger", trigger]
            for trigger in ("threshold", "overflow")
        ],
    ),
)


def monitoring_resources() -> dict[str, Any]:
    """Return the resources by their logical names; ``Memory`` is that of the memory."""
    return {**_log_delivery(), **_trace_delivery(), "Dashboard": _dashboard(), **_alarms()}


def _log_delivery() -> dict[str, Any]:
    group_arn = {"Fn::GetAtt": ["MemoryLogs", "Arn"]}
    written = {
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "${MemoryLogs.Arn}",
        "Condition": _of_this_account("*"),
    }
    return {
        "MemoryLogs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {
                "LogGroupName": {
                    "Fn::Sub": "/aws/vendedlogs/bedrock-agentcore/memory/APPLICATION_LOGS/${Memory.MemoryId}"
                },
                "RetentionInDays": {"Ref": "LogRetentionDays"},
            },
        },
        "MemoryLogsPolicy": {
            "Type": "AWS::Logs::ResourcePolicy",
            "Properties": {
                "PolicyName": _named("agentmem-logs"),
                "PolicyDocument": {"Fn::Sub": _policy_text(written)},
            },
        },
        "LogSource": _source("agentmem-logs", "APPLICATION_LOGS"),
        "LogDestination": {
            "Type": "AWS::Logs::DeliveryDestination",
            "DependsOn": "MemoryLogsPolicy",
            "Properties": {"Name": _named("agentmem-logs"), "DestinationResourceArn": group_arn},
        },
        "LogDelivery": _delivery("LogSource", "LogDestination"),
    }


def _trace_delivery() -> dict[str, Any]:
    written = {
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": "xray:PutTraceSegments",
        "Resource": "*",
        "Condition": {
            **_of_this_account("delivery-source:*"),
            "ForAllValues:ArnLike": {"logs:LogGeneratingSourceArns": ["${Memory.MemoryArn}"]},
        },
    }
    resources: dict[str, Any] = {
        "TracePolicy": {
            "Type": "AWS::XRay::ResourcePolicy",
            "Properties": {
                "PolicyName": _named("agentmem-traces"),
                "PolicyDocument": {"Fn::Sub": _policy_text(written)},
            },
        },
        "TraceSource": _source("agentmem-traces", "TRACES"),
        "TraceDestination": {
            "Type": "AWS::Logs::DeliveryDestination",
            "DependsOn": "TracePolicy",
            "Properties": {"Name": _named("agentmem-traces"), "DeliveryDestinationType": "XRAY"},
        },
        # Deliveries of one resource are made one after the other; at once the second meets a conflict.
        "TraceDelivery": {**_delivery("TraceSource", "TraceDestination"), "DependsOn": "LogDelivery"},
    }
    return {name: {**resource, "Condition": _TRACED} for name, resource in resources.items()}


def _source(name: str, kind: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::DeliverySource",
        "Properties": {
            "Name": _named(name),
            "LogType": kind,
            "ResourceArn": {"Fn::GetAtt": ["Memory", "MemoryArn"]},
        },
    }


def _delivery(source: str, destination: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::Delivery",
        "Properties": {
            "DeliverySourceName": {"Ref": source},
            "DeliveryDestinationArn": {"Fn::GetAtt": [destination, "Arn"]},
        },
    }


def _named(prefix: str) -> dict[str, Any]:
    return {"Fn::Join": ["-", [prefix, _SUFFIX]]}


def _of_this_account(resource: str) -> dict[str, Any]:
    return {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
        "ArnLike": {"aws:SourceArn": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"},
    }


def _dashboard() -> dict[str, Any]:
    widgets = [
        {
            "type": "metric",
            "x": 12 * (number % 2),
            "y": 6 * (number // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "region": "${AWS::Region}",
                "stat": statistic,
                "period": 300,
                "metrics": metrics,
            },
        }
        for number, (title, statistic, metrics) in enumerate(_WIDGETS)
    ]
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": _named("agentmem"),
            "DashboardBody": {"Fn::Sub": json.dumps({"widgets": widgets})},
        },
    }


def _alarms() -> dict[str, Any]:
    """Return the alarms of docs/how-to/operate.md, and two on the service's own metrics of writing events."""
    package = [{"Name": "OTelLib", "Value": "agentmem"}]
    writing: list[dict[str, Any]] = [
        {"Name": "Resource", "Value": {"Fn::GetAtt": ["Memory", "MemoryArn"]}},
        {"Name": "Operation", "Value": "CreateEvent"},
    ]
    return {
        "MessagesDropped": _alarm("Messages are lost", PACKAGE_NAMESPACE, "agentmem.messages.dropped", package, 0),
        "EventsFailed": _alarm("Events are not accepted", PACKAGE_NAMESPACE, "agentmem.events.failed", package, 20),
        "RestoreSlow": {
            **(slow := _alarm("Opening sessions is slow", PACKAGE_NAMESPACE, "agentmem.restore.duration", package, 2)),
            "Properties": {**slow["Properties"], "Statistic": "Average", "EvaluationPeriods": 3},
        },
        "WritesFailing": _alarm("The service fails to write events", SERVICE_NAMESPACE, "Errors", writing, 20),
        "WritesThrottled": _alarm("The service throttles events", SERVICE_NAMESPACE, "Throttles", writing, 20),
    }


def _alarm(
    description: str, namespace: str, metric: str, dimensions: list[dict[str, Any]], threshold: int
) -> dict[str, Any]:
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": f"{description}; see the table of alarms in agentmem's guide to operation.",
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": dimensions,
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",  # a counter has no data before it first counts
            "AlarmActions": {"Fn::If": [_NOTIFIED, [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]},
        },
    }


def _policy_text(statement: dict[str, Any]) -> str:
    """Return a policy of one statement as the text that these resources take; ``Fn::Sub`` fills in its variables."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
