"""Options of modules that ask an agent by HTTP."""


class ModuleDocFragment:
    """For `extends_documentation_fragment: jivs.extraction.agent`."""

    DOCUMENTATION = r"""
options:
  url:
    description: The agent's address, C(https://host:8470).
    type: str
    required: true
  ca:
    description: Authorities that vouch for its certificate, as PEM text; without it those of the system.
    type: str
  token:
    description: A token of the scopes C(read) and C(tune).
    type: str
  token_file:
    description: A file that holds the token.
    type: path
"""
