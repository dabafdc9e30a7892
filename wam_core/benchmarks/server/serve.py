"""A simulation that answers over stdin and stdout."""

from __future__ import annotations

import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from .wire import Message, receive, send

#: Goes up when a request or an answer changes its meaning.
PROTOCOL = 1


class Simulation(ABC):
    """One benchmark: its tasks, of which one at a time is set up."""

    @abstractmethod
    def tasks(self) -> list[str]:
        """Names of all tasks."""

    @abstractmethod
    def reset(self, task: str, seed: int) -> str:
        """Set ``task`` up as ``seed`` says, and only ``seed``; returns the instruction."""

    @abstractmethod
    def observe(self, cameras: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Each of ``cameras`` -> uint8 RGB ``[H, W, 3]``, and the state ``[D]`` in the order of the embodiment."""

    @abstractmethod
    def step(self, action: np.ndarray) -> tuple[bool, bool]:
        """Carry out one action ``[A]`` of the embodiment; whether the task is done, and whether its time is over."""

    @abstractmethod
    def expert(self) -> np.ndarray | None:
        """The action ``[A]`` of the benchmark's own scripted expert now; None where it has none."""


def main(make: Callable[[], Simulation]) -> None:
    """Answer until the other side ends. What the simulator prints goes to stderr."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        simulation = make()
    except Exception as error:
        return _say(outward, error)
    send(outward, {"protocol": PROTOCOL, "tasks": simulation.tasks()})
    while True:
        message = receive(inward)
        if message is None:
            return None
        try:
            send(outward, *_answer(simulation, message))
        except Exception as error:
            _say(outward, error)


def _answer(simulation: Simulation, message: Message) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    head, arrays = message
    asked: str = head["ask"]
    if asked == "reset":
        return {"instruction": simulation.reset(head["task"], head["seed"])}, {}
    if asked == "observe":
        images, state = simulation.observe(head["cameras"])
        return {}, {"state": np.asarray(state, np.float64), **{f"image.{n}": image for n, image in images.items()}}
    if asked == "step":
        done, over = simulation.step(arrays["action"])
        return {"success": bool(done), "over": bool(over)}, {}
    if asked == "expert":
        action = simulation.expert()
        return {}, {} if action is None else {"action": np.asarray(action, np.float64)}
    raise ValueError(f"nobody knows how to {asked}")


def _say(outward: BinaryIO, error: Exception) -> None:
    traceback.print_exc(file=sys.stderr)
    head: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
    send(outward, head)
