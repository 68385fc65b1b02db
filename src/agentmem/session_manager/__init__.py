"""Keeps a Strands agent's session in AgentCore Memory and its context small (CompactingSessionManager)."""
