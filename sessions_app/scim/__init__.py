"""SCIM 2.0 (RFC 7643 and 7644): an identity provider makes, changes and disables users, and fills groups."""
