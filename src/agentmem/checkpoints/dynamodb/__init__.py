"""Stores checkpoints in a DynamoDB table."""
