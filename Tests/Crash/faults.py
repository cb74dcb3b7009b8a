"""strace as a source of failing system calls: which call on which files fails, when, and how often."""

import shutil
import signal
import subprocess
import time

import pytest


def require_strace():
    """Skips, loudly, where strace is missing or may not trace."""
    if not shutil.which("strace"):
        pytest.skip("!!! no strace: failing writes and flushes are NOT tested")
    tried = subprocess.run(
        ["strace", "-o", "/dev/null", "-e", "inject=uname:error=EIO", "true"], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        pytest.skip(f"!!! strace does not work here ({tried.stderr.strip()}): failing calls are NOT tested")


def injected(trace):
    """How many faults a trace shows."""
    return trace.read_text(errors="replace").count("(INJECTED)") if trace.exists() else 0


def options(trace, paths, faults):
    """strace's arguments: `faults` are (call, failure, when), e.g. ("fdatasync", "error=EIO", "3+"), and touch only
    calls on `paths`. Calls are counted for each thread by itself."""
    arguments = ["strace", "-f", "-q", "-o", str(trace)]
    for path in paths:
        arguments += ["-P", str(path)]
    arguments += ["-e", "trace=" + ",".join(dict.fromkeys(call for call, _, _ in faults))]
    for call, failure, when in faults:
        arguments += ["-e", f"inject={call}:{failure}:when={when}"]
    return arguments


class Attached:
    """strace on a running daemon; leaving the block heals the disk."""

    def __init__(self, vault, trace, paths, faults):
        self.trace = trace
        trace.unlink(missing_ok=True)
        # Without -q, which would hide the line that says that it is attached.
        arguments = [a for a in options(trace, paths, faults) if a != "-q"]
        self.process = subprocess.Popen([*arguments, "-p", str(vault.process.pid)], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            self.process.kill()
            pytest.skip(f"!!! strace may not attach ({line.strip()}): failing calls are NOT tested")
        time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.heal()

    def heal(self):
        """Detaches: no call fails any more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=2)
        except subprocess.TimeoutExpired:
            # It may wait for ever for a thread of a process that it killed.
            self.process.kill()
            self.process.communicate()

    @property
    def count(self):
        return injected(self.trace)
