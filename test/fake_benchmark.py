"""A benchmark's server without a simulator: a point on a line. Started with what is wrong with it, if anything."""

import os
import sys

sys.path.insert(0, os.getcwd())  # as `python -m` has it

import numpy as np
from server.serve import Simulation, main

WRONG = sys.argv[1] if len(sys.argv) > 1 else ""
GOAL = 0.5


class Line(Simulation):
    """The point starts where the seed says and is to come near the goal; pictures show it as a bright column."""

    def __init__(self) -> None:
        print("a simulator that prints where answers go")
        if WRONG == "does not load":
            raise ImportError("No module named 'simulator'")

    def tasks(self) -> list[str]:
        return ["go", "go-again"]

    def reset(self, task: str, seed: int) -> str:
        self.x, self.steps = float(np.random.default_rng(seed).uniform(-0.5, 0.0)), 0
        return "go to the goal"

    def observe(self, cameras: list[str]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        image = np.zeros((64, 64, 3), np.uint8)
        image[:, int(32 + 30 * np.clip(self.x, -1, 1))] = 255
        if WRONG == "small picture":
            image = image[:32]
        state = np.array([self.x, np.nan if WRONG == "nan" else 0.0, 0.0, 1.0])
        return dict.fromkeys(cameras, image), state

    def step(self, action: np.ndarray) -> tuple[bool, bool]:
        print("stepping")
        if WRONG == "dies":
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(3)
        if WRONG == "fails":
            raise RuntimeError("the scene exploded")
        if WRONG == "talks":
            os.write(int(os.environ["ANSWERS"]), b"something that is no message")
        self.x, self.steps = self.x + 0.05 * float(action[0]), self.steps + 1
        return abs(self.x - GOAL) < 0.1, self.steps == 60

    def expert(self) -> "np.ndarray | None":
        if WRONG == "no expert":
            return None
        return np.array([np.clip(4 * (GOAL - self.x), -1, 1), 0.0, 0.0, 0.0])


if __name__ == "__main__":
    if WRONG == "talks":
        os.environ["ANSWERS"] = str(os.dup(1))
    main(Line)
