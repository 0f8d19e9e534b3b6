"""Subresources that are not just another way to update their object."""
