"""What a node is doing, put together from its server and its data (`gather.py`), and judged."""
