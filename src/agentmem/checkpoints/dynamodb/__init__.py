"""The checkpoint store in a DynamoDB table."""
