"""Serves agents behind AgentCore Runtime: builds them when needed and shuts them down in order."""
