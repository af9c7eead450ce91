"""Redfish: controllers of machines."""
