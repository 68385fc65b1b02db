"""Agents behind AgentCore Runtime: built when needed, shut down in order."""
