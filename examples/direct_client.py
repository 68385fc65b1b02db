"""Nothing but the SDK's MemoryClient: write events, wait for what is extracted from them, search it.

python examples/direct_client.py
"""

from backend import open_memory

from agentmem import new_session_id, wait_for_memories


def main() -> None:
    """Write a conversation as events and read it back, as messages and as long-term memories."""
    # On AWS this is MemoryClient(region_name=...); the configuration also hands out one of an embedded memory.
    config = open_memory()
    client, memory_id = config.memory_client(), config.memory_id
    session_id = new_session_id("ana")
    facts = config.bind("ana", session_id).namespace("facts")  # "/users/ana/facts/"

    event = client.create_event(
        memory_id=memory_id,
        actor_id="ana",
        session_id=session_id,
        messages=[
            ("I work as a nurse. I live in Porto.", "USER"),
            ("Noted. What can I do for you?", "ASSISTANT"),
        ],
    )

    # Short-term memory is there at once ...
    for turn in client.get_last_k_turns(memory_id=memory_id, actor_id="ana", session_id=session_id, k=5):
        for message in turn:
            print(f"{message['role']}: {message['content']['text']}")

    # ... long-term memory takes 10 to 90 seconds on AWS. MemoryClient.wait_for_memories returns at once when the
    # namespace holds anything at all; this one waits for what is newer than the event.
    wait_for_memories(client, memory_id, facts, since=event)
    for record in client.retrieve_memories(memory_id=memory_id, namespace=facts, query="What is her job?"):
        print(f"{record['score']:.2f} {record['content']['text']}")


if __name__ == "__main__":
    main()
