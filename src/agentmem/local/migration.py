"""Holds the statements that bring a database of an older format to the newest one."""

from __future__ import annotations

_ON_MAIN = ""","branch":{"name":"main"}}"""

MIGRATIONS: dict[int, tuple[str, ...]] = {
    # 2: memories have an account and a region, events of the main branch name it, records know their term in days.
    1: (
        """
        CREATE TABLE memories_2 (
          memory_id TEXT PRIMARY KEY,
          account TEXT NOT NULL,
          region TEXT NOT NULL,
          name TEXT NOT NULL,
          active_at REAL NOT NULL,
          changing TEXT NOT NULL DEFAULT 'CREATING',
          expiry_days INTEGER NOT NULL,
          body TEXT NOT NULL,
          tags TEXT NOT NULL DEFAULT '{}',
          UNIQUE (account, region, name)
        ) WITHOUT ROWID
        """,
        # An ARN is arn:aws:bedrock-agentcore:REGION:ACCOUNT:memory/ID, its account twelve digits.
        """
        INSERT INTO memories_2 (memory_id, account, region, name, active_at, expiry_days, body, tags)
          SELECT memory_id, substr(arn, instr(arn, ':memory/') - 12, 12),
            substr(arn, 27, instr(arn, ':memory/') - 13 - 27), name, active_at, expiry_days, body, tags
          FROM memories
        """,
        "DROP TABLE memories",
        "ALTER TABLE memories_2 RENAME TO memories",
        f"UPDATE events SET head = substr(head, 1, length(head) - 1) || '{_ON_MAIN}' WHERE branch IS NULL",
        f"""
        UPDATE tokens SET answer = substr(answer, 1, length(answer) - 1) || '{_ON_MAIN}'
          WHERE operation = 'CreateEvent' AND answer NOT LIKE '%"branch":{{%'
        """,
        """
        CREATE TABLE pipelines (
          strategy_id TEXT NOT NULL, sid INTEGER NOT NULL, memory_id TEXT NOT NULL,
          messages INTEGER NOT NULL, tokens INTEGER NOT NULL, last_at REAL NOT NULL,
          done_seq INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (strategy_id, sid)
        ) WITHOUT ROWID
        """,
        "ALTER TABLE records ADD COLUMN expiry_days INTEGER",
        """
        UPDATE records SET expiry_days = max(31, round((expires_at - created_at) / 86400.0))
          WHERE expires_at IS NOT NULL
        """,
    ),
}
"""By the format they start from."""
