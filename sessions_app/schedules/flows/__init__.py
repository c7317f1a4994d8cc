"""What is done with scheduled exports, one file for each deed."""
