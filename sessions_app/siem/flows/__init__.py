"""What people do with destinations, one file for each verb."""
