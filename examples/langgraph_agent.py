"""LangGraph on the same memory: checkpoints in AgentCore Memory, long-term memory from the same namespaces.

python examples/langgraph_agent.py        (needs: pip install langgraph langgraph-checkpoint-aws)
"""

import contextlib
import os
import sys
import uuid

from backend import NAMESPACES

from agentmem import LocalMemory, MemoryConfig, MemorySession, new_session_id

try:
    from langchain_core.messages import AIMessage, HumanMessage
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph import END, START, MessagesState, StateGraph
    from langgraph.store.base import BaseStore
    from langgraph_checkpoint_aws import AgentCoreMemorySaver, AgentCoreMemoryStore
except ImportError as error:
    sys.exit(f"{error.name} is missing. Install it: pip install langgraph langgraph-checkpoint-aws")


def answer(state: MessagesState, config: RunnableConfig, *, store: BaseStore) -> dict[str, list[AIMessage]]:
    """Answer with what this thread and long-term memory know; a real node would hand both to a chat model."""
    actor_id, thread_id = config["configurable"]["actor_id"], config["configurable"]["thread_id"]
    said = state["messages"][-1]
    known = store.search(("users", actor_id, "facts"), query=str(said.content))
    # What is put under (actor, session) becomes an event, and long-term memories are extracted from it.
    store.put((actor_id, thread_id), str(uuid.uuid4()), {"message": said})
    facts = " ".join(item.value["content"] for item in known) or "nothing"
    return {"messages": [AIMessage(f"This is message {len(state['messages'])} here. I know of you: {facts}")]}


def run(config: MemoryConfig, endpoint: dict[str, str]) -> None:
    """Talk in one thread, and then in another one of the same user."""
    saver = AgentCoreMemorySaver(config.memory_id, region_name=config.region, **endpoint)
    store = AgentCoreMemoryStore(memory_id=config.memory_id, region_name=config.region, **endpoint)
    graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").add_edge("answer", END)

    def say(memory: MemorySession, text: str) -> None:
        # Compiled anew each time, as in another process: the thread comes back from the checkpoint.
        agent = graph.compile(checkpointer=saver, store=store)
        ids: RunnableConfig = {"configurable": {"actor_id": memory.actor_id, "thread_id": memory.session_id}}
        messages = agent.invoke({"messages": [HumanMessage(text)]}, ids)["messages"]
        print(f"user:  {text}\nagent: {messages[-1].content}")

    first = config.bind("ana", new_session_id("ana"))
    mark = first.mark()
    say(first, "I live in Porto. I work as a nurse.")
    say(first, "Good evening.")
    first.wait_for_memories("facts", since=mark, min_count=2)
    say(config.bind("ana", new_session_id("ana")), "What is my job?")


def main() -> None:
    """Run on AWS when a memory is configured, else on an embedded one."""
    if "BEDROCK_AGENTCORE_MEMORY_ID" in os.environ:
        run(MemoryConfig.from_env(namespaces=NAMESPACES), {})
        return
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(LocalMemory())
        # LangGraph's classes make boto3 clients of their own, so they are given an address.
        server = stack.enter_context(service.serve())
        nobody = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        run(MemoryConfig.local(service, namespaces=NAMESPACES), {"endpoint_url": server.url, **nobody})


if __name__ == "__main__":
    main()
