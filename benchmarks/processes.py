"""The processes that are measured: contenders, and a program that measures the machine."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent


class Worker:
    """A process of `contenders.py`; it starts when it is first asked, and again after a crash."""

    def __init__(
        self, name: str, python: Path, peers: str, log: Path, patience: float, **settings: str
    ) -> None:
        """Names a contender, its Python, the module of peers, a log, and seconds to wait."""
        self.name, self.log, self.patience = name, log, patience
        self.command = [str(python), str(HERE / "contenders.py"), peers]
        self.settings = settings
        self.process: subprocess.Popen | None = None
        self.versions: dict[str, str] = {}
        self.failure: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        """Nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self.stop()

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """The process's answer, or the reason why there is none under "error"."""
        if self.process is None and self.failure is None:
            self.start()
        return self.failure or self.exchange(method, **arguments)

    def start(self) -> None:
        """Starts the process and has it import its package; a failure to import is for good."""
        pipe, environment = subprocess.PIPE, os.environ | self.settings
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command, stdin=pipe, stdout=pipe, stderr=log, env=environment
            )
        answer = self.exchange("start", name=self.name)
        self.versions = answer.get("versions", {})
        if "error" in answer:
            self.failure = answer
            self.stop()

    def exchange(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer."""
        try:
            self.process.stdin.write(json.dumps({method: arguments}).encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], self.patience)[0]:
                self.stop()
                return {"error": f"took more than {self.patience:.0f} s"}
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            status = self.stop()
            last = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
            return {"error": f"ended with status {status}: {last}"}

    def stop(self) -> int | None:
        """Ends the process; its status."""
        process, self.process = self.process, None
        if process is None:
            return None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            return process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class Machine:
    """What the machine can do at best, by a small C program; unknown without a compiler."""

    def __init__(self, threads: int) -> None:
        """The number of threads that read and compute."""
        self.threads = threads
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> Self:
        """Compiles and starts the program."""
        compiler = shutil.which("cc")
        if compiler is None:
            return self
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/floor"
            command = [compiler, "-O3", "-march=native", "-pthread", str(HERE / "floor.c")]
            if subprocess.run([*command, "-o", program], check=False).returncode == 0:
                pipe = subprocess.PIPE
                self.process = subprocess.Popen(
                    [program, str(self.threads)], stdin=pipe, stdout=pipe
                )
                self.measure()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the program."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()

    def measure(self) -> list[float] | None:
        """Bytes read and floating-point operations a second, now."""
        if self.process is None:
            return None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return [float(rate) for rate in self.process.stdout.readline().split()]
