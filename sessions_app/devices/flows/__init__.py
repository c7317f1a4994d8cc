"""What people do with their devices: name one, forget one."""
