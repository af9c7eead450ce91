"""Zones that are loaded, dropped and made anew, where names below the suffix are touched: what the
registry has to say of it, in units that a writer carries out (registry/units.py).
"""
