"""The GeoIP file: download, check, read."""
