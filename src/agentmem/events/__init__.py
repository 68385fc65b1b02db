"""The event log: short-term memory as AgentCore events, written in order and read newest first."""
