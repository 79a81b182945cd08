# SPDX-License-Identifier: Apache-2.0
"""Running programs: one way to do it, with the output in the error."""

import subprocess
import time


class Failed(Exception):
    """Something the test-bed needs did not work; the message is for a person."""


class Result:
    """How a program ended and what it wrote."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    def __repr__(self):
        return (f"$ {' '.join(map(str, self.argv))}\n"
                f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}")


def run(*argv, check=True, input=None, timeout=120, env=None, cwd=None):
    """Runs argv to its end. check: a non-zero exit raises Failed with the output."""
    argv = [str(a) for a in argv]
    try:
        p = subprocess.run(argv, input=input, capture_output=True, text=True, errors="replace",
                           timeout=timeout, env=env, cwd=cwd,
                           stdin=subprocess.DEVNULL if input is None else None)
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: not installed (sudo make deps installs it)") from None
    except subprocess.TimeoutExpired as e:
        text = "".join(s.decode(errors="replace") if isinstance(s, bytes) else s
                       for s in (e.stdout, e.stderr) if s)
        raise Failed(f"{' '.join(argv)}: not done after {timeout} s\n{text}") from None
    result = Result(argv, p.returncode, p.stdout, p.stderr)
    if check and p.returncode != 0:
        raise Failed(str(result))
    return result


def wait_for(what, seconds, test, pause=0.05):
    """Polls test() until it returns something true, and returns that; Failed after seconds."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what}: not after {seconds} s")
        time.sleep(pause)
