"""Makes boto3 sessions and clients, and opens the embedded service behind one."""
