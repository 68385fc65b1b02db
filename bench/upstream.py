"""Run other projects' integration tests, written against AWS, on the embedded memory.

    python bench/upstream.py [--summaries TEMPLATE] -- python -m pytest ...

The source distributions of bedrock-agentcore (tests_integ/memory) and langgraph-checkpoint-aws
(tests/integration_tests/agentcore) hold such tests: unpack one and run this in its folder. The command gets the
endpoint variables of a served memory, the id of a memory with the namespaces those tests expect, and credentials that
are nobody's. Tests that call a model on Amazon Bedrock fail here; langchain-aws's need `--summaries
'/summaries/actors/{actorId}/sessions/{sessionId}/'`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from agentmem.local import LocalMemory

REGION = "us-west-2"
SAID = (
    "I am a developer and I prefer Python as my programming language.",
    "I work on distributed systems and databases at Acme.",
)


def strategies(summaries: str) -> list[dict[str, Any]]:
    """The strategies of the memory those tests are given."""
    return [
        {"semanticMemoryStrategy": {"name": "facts", "namespaceTemplates": ["/facts/{actorId}/"]}},
        {"userPreferenceMemoryStrategy": {"name": "likes", "namespaceTemplates": ["/preferences/{actorId}/"]}},
        {"summaryMemoryStrategy": {"name": "summaries", "namespaceTemplates": [summaries]}},
    ]


def main() -> int:
    """Serve a memory, run the command, return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summaries", default="/summaries/{actorId}/{sessionId}/")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    with LocalMemory() as memory, memory.serve() as server:
        session = memory.boto_session(REGION)
        control, data = session.client("bedrock-agentcore-control"), session.client("bedrock-agentcore")
        made = control.create_memory(
            name="upstream", eventExpiryDuration=30, memoryStrategies=strategies(options.summaries)
        )
        memory_id = made["memory"]["id"]
        for text in SAID:
            data.create_event(
                memoryId=memory_id,
                actorId="integ-test-actor",
                sessionId="integ-test-session",
                eventTimestamp=datetime.now(UTC),
                payload=[{"conversational": {"content": {"text": text}, "role": "USER"}}],
            )
        environment = {
            **os.environ,
            **server.env(),
            "AGENTCORE_MEMORY_ID": memory_id,
            "MEMORY_PREPOPULATED_ID": memory_id,
            "MEMORY_KINESIS_ARN": f"arn:aws:kinesis:{REGION}:000000000000:stream/none",
            "MEMORY_ROLE_ARN": "arn:aws:iam::000000000000:role/none",
            "BEDROCK_TEST_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
        }
        return subprocess.call(options.command, env=environment)  # noqa: S603 - the command is the caller's


if __name__ == "__main__":
    sys.exit(main())
