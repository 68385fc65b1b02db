"""The command `agentmem chat`."""
