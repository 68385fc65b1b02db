"""A process of its own that saves checkpoints; started by the tests with an order in JSON.

With "versions" it competes for each of these in turn and reports what it won and lost; without, it saves version after
version for ever and prints each once `save` has returned.
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

from samples import checkpoint

from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
from agentmem.errors import CheckpointConflictError


def open_place(address: dict[str, Any]) -> CheckpointStore:
    if "path" in address:
        from agentmem.checkpoints.sqlite import SqliteCheckpointStore

        return SqliteCheckpointStore(address["path"])
    import boto3

    from agentmem.checkpoints.dynamodb.store import DynamoDBCheckpointStore

    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-west-2")
    client = session.client("dynamodb", endpoint_url=address["endpoint_url"])
    return DynamoDBCheckpointStore(client, address["table"])


def compete(store: CheckpointStore, key: CheckpointKey, writer: int, versions: int) -> dict[str, Any]:
    won, lost = [], []
    version = 1
    while version <= versions:
        try:
            store.save(key, checkpoint(version, tokens_after=writer))
            won.append(version)
            version += 1
        except CheckpointConflictError as refusal:
            lost.append([version, refusal.winner.version, refusal.winner.tokens_after])
            version = refusal.winner.version + 1
    return {"won": won, "lost": lost}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    order = json.loads(sys.argv[1])
    store, key = open_place(order["address"]), CheckpointKey(*order["key"])
    say("ready")
    sys.stdin.readline()
    if "versions" in order:
        say(json.dumps(compete(store, key, order["writer"], order["versions"])))
        return
    for version in itertools.count(1):
        store.save(key, checkpoint(version))
        say(str(version))


if __name__ == "__main__":
    main()
