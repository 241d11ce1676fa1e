"""A service manager for one daemon, as systemd would be one: notify socket, watchdog, a listening socket passed down, journal."""
import ctypes
import os
import re
import select
import signal
import socket
import struct
import time

from lps import Process


class Manager:
    """Starts a daemon with NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS and a journal socket; keeps what it says."""

    def __init__(self, stage, name, argv, watchdog_s=1.0, listen=None):
        self.notes, self.entries = [], []
        self.notify, self.journal = (self._datagram(stage, f"{name}.{kind}") for kind in ("notify", "journal"))
        self.notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        env = {"NOTIFY_SOCKET": self.notify.getsockname(), "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
               "LPS_JOURNAL_SOCKET": self.journal.getsockname(), "STATE_DIRECTORY": stage.dir, "RUNTIME_DIRECTORY": stage.dir}
        self.listener = None
        if listen:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(listen)
            self.listener.listen(16)
            env.update(LISTEN_FDS="1", LISTEN_FDNAMES="api")

        # LISTEN_PID is the daemon's own, so a shell sets it on the way; descriptor 3 is where the first one belongs.
        script = "export LISTEN_PID=$$ WATCHDOG_PID=$$; exec \"$@\"" + " 3<&9 9<&-" * bool(listen)
        self.process = Process(stage, name, ["/bin/bash", "-c", script, "bash", *argv], env, pass_fds=(9,) if listen else (),
                               preexec_fn=self._prepare)

    @staticmethod
    def _datagram(stage, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(os.path.join(stage.dir, name))
        return s

    def _prepare(self):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if self.listener:
            os.dup2(self.listener.fileno(), 9, inheritable=True)

    def await_note(self, pattern, seconds=5.0):
        """The next notification that matches, as a dictionary."""
        deadline = time.monotonic() + seconds
        while True:
            ready = select.select([self.notify, self.journal], [], [], max(0, deadline - time.monotonic()))[0]
            if self.journal in ready:
                self.entries.append(parse_entry(self.journal.recv(1 << 20)))
            if self.notify in ready:
                data, ancillary, _, _ = self.notify.recvmsg(4096, 256)
                note = dict(line.split("=", 1) for line in data.decode().splitlines() if "=" in line)
                note["at"] = time.monotonic()
                note["pid"] = next(struct.unpack("iii", d[:12])[0] for _, kind, d in ancillary if kind == socket.SCM_CREDENTIALS)
                self.notes.append(note)
                if re.search(pattern, data.decode()):
                    return note
            assert ready, f"no notification /{pattern}/ within {seconds} s, but {[list(n.items())[0] for n in self.notes]}"

    def read_journal(self):
        while select.select([self.journal], [], [], 0.2)[0]:
            self.entries.append(parse_entry(self.journal.recv(1 << 20)))
        return self.entries


def parse_entry(data):
    """A datagram of the native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL)."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals and name:
            size = struct.unpack("<Q", data[:8])[0]
            value, data = data[8:8 + size], data[9 + size:]
        fields[name.decode()] = value.decode(errors="replace")
    return fields
