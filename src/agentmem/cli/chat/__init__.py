"""Runs the command `agentmem chat`."""
