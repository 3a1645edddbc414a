"""The front door: settings, urls, people and roles, audit, the web shell, and the commands of a node."""
