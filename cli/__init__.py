"""What a person types: the `kubus` command."""
