"""The tools over HTTP: a server, and a client that is an environment like any other. docs/tools.md has the protocol."""
