"""How machines become nodes, stay nodes, and stop being nodes."""
