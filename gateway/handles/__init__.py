"""Handles: what an identifier resolves to as the proxy of Handle.Net says it (schemas/handle.md).

Pure: what is asked (`asked.py`) and what became of it give the status, the header fields and the
octets of an answer (`answered.py`), of values that follow from the record (`values.py`).
"""
