"""Prometheus: node exporters and exporters of cards."""
