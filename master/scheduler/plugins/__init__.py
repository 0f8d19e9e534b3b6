"""Scheduling rules, one file each. `profile.py` lists which are used, in which order, with which weight."""
