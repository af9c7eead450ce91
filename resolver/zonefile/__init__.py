"""Zones as text: master files read, checked, written, and loaded into the store."""
