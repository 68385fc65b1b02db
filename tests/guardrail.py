"""A model with a guardrail, and what it guards."""

from __future__ import annotations

import json

from agentmem.testing import ScriptedModel

SECRET = "xyzzy-4711"
REDACTED = "[removed by the guardrail]"


class Guarded(ScriptedModel):
    """A model whose guardrail redacts the newest message whenever it holds the secret."""

    async def stream(self, messages, *args, **kwargs):
        if SECRET in json.dumps(messages[-1], default=str):
            yield {"redactContent": {"redactUserContentMessage": REDACTED}}
        async for event in super().stream(messages, *args, **kwargs):
            yield event
