"""Answers one request of an AG-UI front end with an agent of a stored session; a process of its own when it is run.

python front_end.py < request.json > answer.json
"""

from __future__ import annotations

import asyncio
import json
import sys

from ag_ui.core import RunAgentInput
from ag_ui_strands import StrandsAgent, StrandsAgentConfig
from strands import Agent, ToolContext, tool

from agentmem import MemoryConfig
from agentmem.testing import ScriptedModel, ToolCall


@tool(context=True)
def pay(amount: int, tool_context: ToolContext) -> str:
    """Pay, once somebody has approved of it.

    Args:
        amount: Euros.
    """
    return f"{amount} paid: {tool_context.interrupt('approval', reason={'amount': amount})}"


def answer(folder, script, request):
    """Run an agent once; return AG-UI's events and the requests the model was sent, as JSON.

    Args:
        folder: Where the embedded memory is.
        script: What the model says: texts, and ``[name, input]`` for a tool call.
        request: AG-UI's ``RunAgentInput`` as JSON; its thread is the session.
    """
    config = MemoryConfig.local(path=folder, namespaces=())
    model = ScriptedModel([one if isinstance(one, str) else ToolCall(*one) for one in script])
    managers = []

    def manager_of(run):
        managers.append(config.bind("ann", run.thread_id).session_manager())
        return managers[-1]

    front = StrandsAgent(
        agent=Agent(model=model, tools=[pay], callback_handler=None),
        name="assistant",
        config=StrandsAgentConfig(session_manager_provider=manager_of),
    )

    async def run():
        return [event async for event in front.run(RunAgentInput.model_validate(request))]

    events = asyncio.run(run())
    for manager in managers:
        manager.close()
    sent = [one.messages for one in model.requests]
    return {"events": [event.model_dump(mode="json", by_alias=True) for event in events], "sent": sent}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(*json.load(sys.stdin))))
