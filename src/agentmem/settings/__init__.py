"""Defines the sections of a configuration and reads their values from its sources."""
