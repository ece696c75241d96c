"""The on-site client: the ``coldhaul`` command, its configuration, and what a user sees.

- ``config``: ``coldhaul.toml``, validated whole; ``problems``, ``rules``, ``schedule``,
  ``retention``, ``location`` and ``secret`` are its parts.
- ``invocation``, ``output``, ``progress``, ``interrupt``, ``exits``: how every command starts,
  speaks, can be stopped, and ends.
- ``opening``: from a name in the configuration to an opened repository.
- ``commands``: one module per noun. They translate words into calls of ``core.engine`` and its
  outcomes into words; they decide nothing.
- ``cli``: puts the commands together.
"""
