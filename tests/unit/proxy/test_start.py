"""How the command begins."""

import signal
import subprocess
import sys
import time

from tests.architecture.tree import ROOT

# Tells when it begins to load, and then takes its time.
SLOW = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "proxy.cli":
            print("loading", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from proxy.start import main
main()
"""


def test_ctrl_c_while_loading_ends_it_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "--version"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"loading\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert told == b""


def test_it_runs_the_command() -> None:
    code = "from proxy.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout.startswith(b"coldhaul ")


def test_what_is_made_after_loading_is_collected() -> None:
    code = """
import gc
from proxy import start
try:
    start.main()
finally:
    print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout.endswith(b"True True\n")
