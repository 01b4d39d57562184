"""Tells systemd how this process is: sd_notify, in twenty lines of our own."""

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)

_STATES = {"READY", "RELOADING", "STOPPING"}  # what must not be lost when the manager's queue, of ten messages, is full
_PATIENCE = 1.0  # s


class Systemd:
    """The service manager, if one listens; else silence."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        """environment: as the service manager gave it. pid: our own, for which its watchdog must be meant."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        seconds = int(environment.get("WATCHDOG_USEC") or 0) / 1_000_000
        meant = int(environment.get("WATCHDOG_PID") or pid) == pid
        self.watchdog_seconds = seconds if meant and seconds > 0 else None

    def tell(self, **fields: str | int) -> None:
        """Send one message; what is no change of state never waits. tell(READY=1, STATUS="ready")"""
        if not self._address:
            return
        message = "\n".join(f"{name}={' '.join(str(value).split())}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_PATIENCE if _STATES & fields.keys() else 0)
                sender.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("systemd was not told %s: %s.", ", ".join(fields), error.strerror or error)
