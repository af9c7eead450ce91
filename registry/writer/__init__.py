"""What carries requests out: batches of them in one commit each, for threads and for processes."""
