"""boto3 sessions and clients, and the embedded service behind one."""
