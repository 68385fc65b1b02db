"""CompactingSessionManager and what ties it to Strands and the AgentCore SDK."""
