"""The operator's machines: adding, listing, draining, upgrading, removing them. Each verb's work, away from click."""
