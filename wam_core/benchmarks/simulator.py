"""A benchmark's simulator as this process sees it: requests to a server in the simulator's own environment."""

import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from wam_core.benchmarks.server.serve import PROTOCOL
from wam_core.benchmarks.server.wire import Message, WireError, receive, send
from wam_core.contract import FloatArray, check_finite
from wam_core.errors import ContractError, look_up
from wam_core.preprocess.images import check_images
from wam_core.robot.embodiment import Embodiment

#: Greatest time in s until a server answers: some build a scene for minutes.
PATIENCE_S = 600.0
#: Of what a server wrote to stderr, what an error shows.
LAST_WORDS = 600
#: Of our own environment, what another Python must not see.
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Seen:
    """What a policy is shown: camera -> uint8 RGB ``[H, W, 3]``, and the state ``[D]`` of the embodiment."""

    images: Mapping[str, NDArray[np.uint8]]
    state: FloatArray


@dataclass(frozen=True)
class Outcome:
    """Of one step: whether the task is done now, and whether the benchmark's own time is over."""

    success: bool
    over: bool


class Simulator:
    """One server process. Every answer is checked against the embodiment; whatever is wrong ends as an error.

    Attributes:
        tasks: names of what it can set up.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, body: Embodiment) -> None:
        """Start ``command`` in ``folder`` and wait until it says what it has.

        Raises:
            ContractError: it cannot be started, ends, or speaks another protocol.
        """
        self.name, self.body = name, body
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the server)
        environment = {k: v for k, v in os.environ.items() if k not in OURS}
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
            )
        except OSError as error:
            raise ContractError(f"benchmark.{name}", str(error), "a server that starts") from error
        try:
            head, _ = self._next("start")
            if head.get("protocol") != PROTOCOL:
                raise ContractError(f"benchmark.{name}.protocol", head.get("protocol"), str(PROTOCOL))
            self.tasks: tuple[str, ...] = tuple(self._value("start", head, "tasks", list))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the server: at once, it keeps nothing."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            cast(BinaryIO, stream).close()

    def reset(self, task: str, seed: int) -> str:
        """Set a task up, everything as ``seed`` says; returns the instruction."""
        look_up(dict.fromkeys(self.tasks), task, f"benchmark.{self.name}.task")
        head, _ = self._ask("reset", {"task": task, "seed": seed})
        return str(self._value("reset", head, "instruction", str))

    def observe(self, cameras: Sequence[str]) -> Seen:
        """The state, and what the named cameras show."""
        _, arrays = self._ask("observe", {"cameras": list(cameras)})
        images = {n.removeprefix("image."): a for n, a in arrays.items() if n.startswith("image.")}
        check_images(self.body, images, cameras)
        return Seen(images, self._vector("observe", arrays, "state", self.body.proprioception))

    def step(self, action: FloatArray) -> Outcome:
        """Carry out ``[A]`` in the units of the embodiment.

        Raises:
            ContractError: another length, or a number that is not finite.
        """
        asked = self._vector("step", {"action": action}, "action", self.body.action.names)
        head, _ = self._ask("step", arrays={"action": asked})
        return Outcome(self._value("step", head, "success", bool), self._value("step", head, "over", bool))

    def expert(self) -> FloatArray:
        """What the benchmark's own expert would do now ``[A]``.

        Raises:
            ContractError: it has none.
        """
        _, arrays = self._ask("expert")
        if not arrays:
            raise ContractError(f"benchmark.{self.name}.expert", None, "a benchmark with a scripted expert")
        return self._vector("expert", arrays, "action", self.body.action.names)

    def _ask(self, what: str, head: Mapping[str, Any] | None = None, arrays: dict[str, Any] | None = None) -> Message:
        try:
            send(cast(BinaryIO, self._process.stdin), {"ask": what, **(head or {})}, arrays)
        except OSError:
            raise self._ended(what) from None
        return self._next(what)

    def _next(self, what: str) -> Message:
        stream = cast(BinaryIO, self._process.stdout)
        if not select.select([stream], [], [], PATIENCE_S)[0]:
            raise ContractError(f"benchmark.{self.name}.{what}", None, f"an answer within {PATIENCE_S:.0f} s")
        try:
            answer = receive(stream)
        except WireError as error:
            raise ContractError(f"benchmark.{self.name}.{what}", str(error), "a message of the protocol") from error
        if answer is None:
            raise self._ended(what)
        if "error" in answer[0]:
            raise ContractError(f"benchmark.{self.name}.{what}", answer[0]["error"], "an answer")
        return answer

    def _ended(self, what: str) -> ContractError:
        code = self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode(errors="replace")[-LAST_WORDS:].strip()
        return ContractError(f"benchmark.{self.name}.{what}", f"exit code {code}; {words}", "a server that goes on")

    def _value(self, what: str, head: Mapping[str, Any], name: str, kind: type) -> Any:
        if not isinstance(head.get(name), kind):
            raise ContractError(f"benchmark.{self.name}.{what}.{name}", head.get(name), f"a {kind.__name__}")
        return head[name]

    def _vector(self, what: str, arrays: Mapping[str, Any], name: str, columns: Sequence[str]) -> FloatArray:
        field = f"benchmark.{self.name}.{what}.{name}"
        found = np.asarray(arrays.get(name, ()), np.float64)
        if found.shape != (len(columns),):
            raise ContractError(field, found.shape, f"{len(columns)} numbers: {', '.join(columns)}")
        check_finite(field, found)
        return found
