"""Files for those who look after nodes with Prometheus and Grafana."""

from __future__ import annotations

from importlib import resources
from typing import Final

FILES: Final = {
    "alerts": "alerts.yaml",
    "dashboard": "dashboard.json",
    "system-alerts": "system_alerts.yaml",
}


def text(name: str) -> str:
    """One of them, by its name of FILES."""
    return resources.files("gateway.metrics").joinpath(FILES[name]).read_text("utf-8")
