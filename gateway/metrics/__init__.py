"""The state of a node as metrics for Prometheus: their text, an example of alerts, a dashboard."""
