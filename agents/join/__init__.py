"""From a machine to a node, and back: join, stay known, leave."""
