"""The commands of `telematics`, a module each; `telematics/cli.py` puts them together."""
