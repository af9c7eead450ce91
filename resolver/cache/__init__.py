"""Answers of others kept for as long as they hold: ready to be copied, shared by all workers."""
