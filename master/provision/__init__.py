"""From the operator's machine onto others: look before (SSH), decide, let Ansible work, tell what happens."""
