"""Options of modules that ask the rollout record by extractctl."""


class ModuleDocFragment:
    """For `extends_documentation_fragment: jivs.extraction.record`."""

    DOCUMENTATION = r"""
requirements: [extractctl on the host where the module runs]
options:
  program:
    description: The path of extractctl.
    type: path
    default: /opt/extraction-agent/bin/extractctl
  store:
    description:
      - The store's URL, without a password. The role it works in must own the tables, or be granted what
        C(docs/explanation/rollout.md) lists for the controller.
    type: str
    default: postgresql:///extraction?host=/var/run/postgresql&options=-c%20role%3Dextraction
  store_password:
    description: The password of the URL's user, where one is needed.
    type: str
"""
