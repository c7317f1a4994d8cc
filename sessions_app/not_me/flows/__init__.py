"""What people do: report a login that was not theirs, and set a new password afterwards."""
