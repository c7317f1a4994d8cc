"""Downloads, checks and reads the GeoIP file."""
