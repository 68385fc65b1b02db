"""MemoryHook: an agent remembers what was said in this session, and what was learnt in others.

python examples/hook_agent.py
"""

from backend import open_memory, open_model
from strands import Agent

from agentmem import HookConfig, MemorySession, actor_id_for, new_session_id


def make_agent(memory: MemorySession) -> Agent:
    """Make an agent whose memory is this session's."""
    return Agent(model=open_model(), system_prompt="You are helpful.", hooks=[memory.hook()], callback_handler=None)


def exchange(agent: Agent, text: str) -> None:
    """Say something and print the answer."""
    print(f"  user:  {text}\n  agent: {str(agent(text)).strip()}")


def main() -> None:
    """State facts, wait until they are long-term memories, and ask other agents about them."""
    # The embedded search loads its embedding model at the first question; on AWS the default of 1.2 seconds will do.
    config = open_memory(hook=HookConfig(retrieve_timeout=30))
    actor = actor_id_for("ana@example.org")  # an email address is no valid actor id, and need not be readable in one

    print("A first session:")
    first = config.bind(actor, new_session_id(actor))
    mark = first.mark()
    agent = make_agent(first)
    exchange(agent, "I live in Porto. I am a nurse.")
    exchange(agent, "I prefer trains to planes.")
    exchange(agent, "Please remind me to buy the ticket for Lisbon.")

    print("Another agent in the same session is shown its last messages:")
    exchange(make_agent(first), "Which ticket do I have to buy?")

    # Extraction takes 10 to 90 seconds on AWS. With the mark it is waited for what is new, not for what was there.
    records = first.wait_for_memories("facts", since=mark)
    print(f"Long-term memory: {[record['content']['text'] for record in records]}")

    print("A new session, weeks later; only long-term memory can know:")
    later = config.bind(actor, new_session_id(actor))
    exchange(make_agent(later), "Do I prefer trains or planes?")

    print("Another user knows nothing of it:")
    stranger = actor_id_for("bob@example.org")
    exchange(make_agent(config.bind(stranger, new_session_id(stranger))), "Do I prefer trains or planes?")


if __name__ == "__main__":
    main()
