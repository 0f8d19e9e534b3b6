"""What a master machine is made of: from one small file about the members to every config, key and unit on its disk."""
