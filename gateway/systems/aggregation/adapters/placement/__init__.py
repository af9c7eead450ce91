"""OpenStack Placement."""
