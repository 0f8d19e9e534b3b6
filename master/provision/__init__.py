"""From a bare machine to a node, and back: SSH, the roles, and what they report."""
