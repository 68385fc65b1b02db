"""AgentCore Runtime for one agent, on this machine."""

from __future__ import annotations

import re

from bedrock_agentcore import BedrockAgentCoreApp
from slow_model import SlowModel
from strands import Agent, ModelRetryStrategy

from agentmem import LocalMemory, MemoryConfig, SessionAgents
from sessions import look

SESSION = "chat-" + "1" * 40


class Runtime:
    """AgentCore Runtime's data plane for one agent: the SDK's server, under the path of InvokeAgentRuntime."""

    def __init__(self, *script, answer=None, seconds=0.0):
        self.requests = []
        self.model = SlowModel(list(script), chunk_size=4, seconds=seconds)
        self.config = MemoryConfig.local(LocalMemory(), namespaces=())
        self.agents = SessionAgents(self.make)
        self.app = BedrockAgentCoreApp()
        self.app.entrypoint(answer or self.typed)

    def make(self, actor_id, session_id):
        return Agent(
            model=self.model,
            tools=[look],
            session_manager=self.config.bind(actor_id, session_id).session_manager(),
            retry_strategy=ModelRetryStrategy(max_attempts=1),
            callback_handler=None,
        )

    async def typed(self, payload, context):
        async for event in self.agents.stream("ann", context.session_id, payload["prompt"]):
            yield event.to_dict()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and re.fullmatch(r"/runtimes/.+/invocations", scope["path"]):
            self.requests.append({name.decode(): value.decode() for name, value in scope["headers"]})
            scope = {**scope, "path": "/invocations", "raw_path": b"/invocations"}
        await self.app(scope, receive, send)
