"""The connector for Linux hosts with OpenSSH. connector.py is where to begin."""

from sessions_app.hosts.connectors.ssh.connector import SshConnector

__all__ = ["SshConnector"]
