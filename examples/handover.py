"""One session, two processes: the second goes on where the first was stopped, and neither can undo the other's work.

python examples/handover.py        (needs: pip install "moto[dynamodb,server]", which stands in for DynamoDB)

The memory is the embedded one, served over HTTP; on AWS nothing of `main` is needed, only `work`.
"""

import logging
import os
import subprocess
import sys

from compacting_agent import BUDGET, SHIPS, make_agent

from agentmem import CompactionConfig, DynamoDBCheckpoints, LocalMemory, MemoryConfig, new_session_id

TABLE = "agentmem-checkpoints"


def work(session_id: str, *requests: str) -> None:
    """Be one of the containers: open the session, do the requests, save."""
    # The memory, the region and both endpoints come from the environment, as they would on AWS.
    config = MemoryConfig.from_env(
        compaction=CompactionConfig(token_threshold=BUDGET),
        # Where containers may compete for a session: a save counts only if it follows the newest checkpoint.
        checkpoints=DynamoDBCheckpoints(table=TABLE),
    )
    with config.bind("ana", session_id).session_manager() as sessions:
        agent = make_agent(sessions)
        print(f"[process {os.getpid()}] opened with {len(agent.messages)} messages in view")
        for request in requests:
            print(f"[process {os.getpid()}] {request} -> {str(agent(request)).strip()[:60]}")
        saved = sessions.checkpoint
        if saved is not None:
            print(f"[process {os.getpid()}] checkpoint {saved.version}: {saved.folded_messages} messages folded")


def main() -> None:
    """Start the two services, and two processes one after the other."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        sys.exit(f'{error.name} is missing. Install it: pip install "moto[dynamodb,server]"')
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # one line for each request otherwise
    dynamodb = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    dynamodb.start()
    with LocalMemory() as memory, memory.serve() as server:
        config = MemoryConfig.local(memory)
        host, port = dynamodb.get_host_and_port()
        environment = {
            "AWS_ACCESS_KEY_ID": "local",  # unless there are real ones, for a model on Bedrock
            "AWS_SECRET_ACCESS_KEY": "local",
            **os.environ,
            **server.env(),
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://{host}:{port}",
            "BEDROCK_AGENTCORE_MEMORY_ID": config.memory_id,
            "AWS_REGION": config.region or "",
        }

        def run(*command: str) -> None:
            subprocess.run([sys.executable, *command], env=environment, check=True)

        # On a shell: agentmem checkpoints create-table --table agentmem-checkpoints
        run("-c", "from agentmem.cli import main; main()", "checkpoints", "create-table", "--table", TABLE)
        session_id = new_session_id("ana")
        first, second = SHIPS[:5], (*SHIPS[5:], *SHIPS[1:3])  # two of them again
        run(__file__, session_id, *(f"Read the report of the {ship}." for ship in first))
        question = f"Where is the spare key of the {first[0]}?"  # folded away by the first process
        run(__file__, session_id, *(f"Read the report of the {ship}." for ship in second), question)
    dynamodb.stop()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(*sys.argv[1:])
    else:
        main()
