"""What people see: the HTTP API, the live socket and the pages. The door is `create_app(server, billing)`."""

from dashboards.app import create_app

__all__ = ["create_app"]
