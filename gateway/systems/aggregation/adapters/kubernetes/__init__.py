"""Kubernetes: nodes, less what pods on them have requested; devices by plugin or by DRA."""
