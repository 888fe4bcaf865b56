"""Test that the processes of the script server end as those of ``python`` do."""

import signal
from textwrap import dedent

import pytest

from tests.script_server import ScriptServer


@pytest.mark.parametrize(
    ("code", "status", "errors"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('why')", 1, "why\n"),
        ("import sys; sys.exit(True)", 1, ""),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM, ""),
    ],
)
def test_the_exit_status_is_that_of_python(
    code: str, status: int, errors: str, scripts: ScriptServer
) -> None:
    done = scripts.python("-c", code)
    assert (done.returncode, done.stderr) == (status, errors)


def test_an_error_prints_its_traceback(scripts: ScriptServer) -> None:
    done = scripts.python("-c", "def f():\n    1 / 0\nf()")
    assert done.returncode == 1
    assert "in f\n" in done.stderr and done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_threads_end_and_what_is_left_is_finalised(scripts: ScriptServer) -> None:
    code = """
        import atexit, threading

        class Left:
            def __del__(self):
                print("finalised")

        left = Left()
        left.itself = left
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (threading.main_thread().join(), print("thread"))).start()
        print("last line")
    """
    done = scripts.python("-c", dedent(code))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["last line", "thread", "at exit", "finalised", ""]


def test_a_process_whose_test_failed_is_ended_before_the_next(scripts: ScriptServer) -> None:
    left = scripts.start("-c", "import signal; print('ready', flush=True); signal.pause()")
    assert left.stdout.readline() == "ready\n"
    assert scripts.python("-c", "print('next')").stdout == "next\n"
    assert left.stdout.read() == ""
    left.close()
