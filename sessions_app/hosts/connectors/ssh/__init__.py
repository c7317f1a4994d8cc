"""The connector for Linux hosts with OpenSSH. Begin with connector.py."""

from sessions_app.hosts.connectors.ssh.connector import SshConnector

__all__ = ["SshConnector"]
