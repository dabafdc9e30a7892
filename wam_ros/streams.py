"""What the sensors sent, checked and brought together as one observation; whatever is wrong has a name and a stream."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import FloatArray, Observation, RobotState
from wam_core.data.senses import heard
from wam_core.preprocess.raw import RawImage, RawImages
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics, proprioception
from wam_core.robot.senses import form

T = TypeVar("T")

#: Values kept per stream: enough to find the one that belongs to an image that took long to arrive. Of pictures only
#: the newest counts; to keep more would be megabytes, written to memory that is fresh each time.
HISTORY, NEWEST = 128, 1
#: Stamps of which the rate is the mean.
STAMPS = 128


class Fault(StrEnum):
    """Why a stream gives no observation."""

    MISSING = "missing"
    STALE = "stale"
    BACKWARD = "backward stamp"
    UNFIT = "does not fit the robot file"
    UNCALIBRATED = "not calibrated as the robot file says"
    NOT_FINITE = "not finite"
    APART = "cameras not taken together"
    BROKEN = "a block is missing"


class StreamError(ValueError):
    """One stream stands in the way of an observation; nothing is filled in for it."""

    def __init__(self, stream: str, fault: Fault, detail: str) -> None:
        self.stream, self.fault = stream, fault
        super().__init__(f"{stream}: {fault}: {detail}")


@dataclass
class Stream(Generic[T]):
    """The newest values of one topic by stamp. ``problem`` says what was wrong with the last message, if it was.

    Attributes:
        kept: values that are kept.
        received, received_ns: messages that came, and when the newest that was taken over did.
    """

    name: str
    topic: str
    longest_age_ns: int
    kept: int = HISTORY
    values: deque[tuple[int, T]] = field(init=False)
    problem: StreamError | None = None
    refused: int = 0
    received: int = 0
    received_ns: int = 0
    _stamps: deque[int] = field(default_factory=lambda: deque(maxlen=STAMPS))

    def __post_init__(self) -> None:
        self.values = deque(maxlen=self.kept)

    def put(self, stamp_ns: int, value: T, now_ns: int) -> None:
        """Take a value over; one that is older than the newest is refused.

        Raises:
            StreamError: the stamp went backwards.
        """
        if self.values and stamp_ns < self.values[-1][0]:
            newest_ns = self.values[-1][0]
            if newest_ns <= now_ns + self.longest_age_ns:
                raise StreamError(self.name, Fault.BACKWARD, f"{stamp_ns} ns after {newest_ns} ns on {self.topic}")
            self.values.clear()  # the clock itself was turned back
            self._stamps.clear()
        self.values.append((stamp_ns, value))
        self._stamps.append(stamp_ns)
        self.received_ns = now_ns
        self.problem = None

    def refuse(self, error: StreamError) -> None:
        """Remember what was wrong with a message that was not taken over."""
        self.refused += 1
        self.problem = error

    def at(self, stamp_ns: int) -> tuple[int, T]:
        """The newest value not after ``stamp_ns``, or the oldest one there is.

        Raises:
            StreamError: nothing was received, or nothing fresh for that instant.
        """
        entries = list(self.values)  # a copy made at once: messages arrive in another thread
        if not entries:
            raise self.problem or StreamError(self.name, Fault.MISSING, f"nothing received on {self.topic}")
        found = next((entry for entry in reversed(entries) if entry[0] <= stamp_ns), entries[0])
        age_ns = abs(stamp_ns - found[0])
        if age_ns > self.longest_age_ns:
            raise self.problem or StreamError(
                self.name,
                Fault.STALE,
                f"{age_ns / 1e9:.3f} s old, at most {self.longest_age_ns / 1e9:.3f} s, on {self.topic}",
            )
        return found

    def trouble(self, now_ns: int) -> StreamError | None:
        """Why there is no value for now, or what was wrong with the last message."""
        try:
            self.at(now_ns)
        except StreamError as error:
            return error
        return self.problem

    def age_s(self, now_ns: int) -> float:
        """Age of the newest value, infinite before the first."""
        return (now_ns - self.values[-1][0]) / 1e9 if self.values else float("inf")

    def rate_hz(self) -> float:
        """Mean rate over the newest values."""
        if len(self._stamps) < 2:
            return 0.0
        span_ns = self._stamps[-1] - self._stamps[0]
        return (len(self._stamps) - 1) * 1e9 / span_ns if span_ns > 0 else 0.0


class Streams:
    """The streams a model looks at, and the observation they make together."""

    def __init__(self, robot: RobotContract, cameras: Sequence[str], senses: Sequence[str] = ()) -> None:
        self._robot = robot
        self._kinematics = Kinematics(robot)
        image_ns, state_ns = round(robot.staleness.image_s * 1e9), round(robot.staleness.state_s * 1e9)
        self.images: Mapping[str, Stream[RawImage]] = {
            name: Stream(name, robot.camera(name).topic, image_ns, NEWEST) for name in cameras
        }
        self.senses: Mapping[str, Stream[NDArray[Any]]] = {
            sense.name: Stream(sense.name, sense.topic, image_ns, NEWEST if sense.camera else HISTORY)
            for sense in map(robot.sense, senses)
        }
        self.states: Stream[RobotState] = Stream("joint_states", robot.topics.joint_states, state_ns)
        self.tactile: Stream[FloatArray] = Stream("tactile", robot.topics.tactile, image_ns)
        self._apart_ns = round(0.5e9 / robot.rates.camera_hz)

    def all(self) -> list[Stream[Any]]:
        """Every stream that must be there."""
        return [*self.images.values(), *self.senses.values(), self.states]

    def _pictures(self) -> list[Stream[Any]]:
        """What comes from cameras: images, and the senses that go with them pixel by pixel."""
        return [*self.images.values(), *(s for n, s in self.senses.items() if self._robot.sense(n).camera)]

    def complete(self) -> bool:
        """Whether each camera's newest picture was taken together with the newest of all."""
        pictures = self._pictures()
        stamps = [stream.values[-1][0] for stream in pictures if stream.values]
        return len(stamps) == len(pictures) and max(stamps) - min(stamps) <= self._apart_ns

    def observe(self, instruction: str, now_ns: int) -> Observation:
        """The newest pictures, taken together, and the joint state and what else is sensed at that instant.

        Raises:
            StreamError: a stream is missing, stale or broken.
        """
        for stream in self._pictures():
            stream.at(now_ns)
        newest = {stream.name: stream.values[-1] for stream in self._pictures()}
        stamp_ns = max(stamp for stamp, _ in newest.values())
        for name, (own_ns, _) in newest.items():
            if stamp_ns - own_ns > self._apart_ns:
                detail = f"{(stamp_ns - own_ns) / 1e9:.3f} s before the newest image"
                raise StreamError(name, Fault.APART, detail)
        self.states.at(now_ns)
        _, state = self.states.at(stamp_ns)
        for joint, position, velocity in zip(self._robot.joint_names, state.position, state.velocity, strict=True):
            if not np.isfinite(position + velocity):
                raise StreamError(
                    "joint_states", Fault.NOT_FINITE, f"{joint}: position {position}, velocity {velocity}"
                )
        return Observation(
            stamp_ns=stamp_ns,
            images=RawImages({name: newest[name][1] for name in self.images}),
            proprioception=proprioception(self._kinematics, state),
            instruction=instruction,
            tactile=self._touch(stamp_ns),
            senses={name: self._sensed(name, stamp_ns) for name in self.senses},
        )

    def _sensed(self, name: str, stamp_ns: int) -> NDArray[Any]:
        """What a sense says of an instant; of sound, all of the action step that ends there."""
        stream, sense = self.senses[name], self._robot.sense(name)
        _, value = stream.at(stamp_ns)
        if not sense.rate_hz:
            return value
        (samples,), _ = form(self._robot, sense)
        blocks = [entry for entry in stream.values if entry[0] <= stamp_ns]
        found = heard(blocks, len(blocks) - 1, sense.rate_hz, samples) if blocks else None
        if found is None:
            detail = f"no {samples} samples without a break on {stream.topic}"
            raise stream.problem or StreamError(name, Fault.BROKEN, detail)
        return found

    def _touch(self, stamp_ns: int) -> FloatArray | None:
        try:
            return self.tactile.at(stamp_ns)[1]
        except StreamError:
            return None


def receive(stream: Stream[T], stamp_ns: int, now_ns: int, read: Callable[[], T]) -> StreamError | None:
    """Read one message into its stream; returns what was wrong with it."""
    stream.received += 1
    try:
        stream.put(stamp_ns, read(), now_ns)
    except StreamError as error:
        stream.refuse(error)
    except ValueError as error:
        stream.refuse(StreamError(stream.name, Fault.UNFIT, str(error)))
    return stream.problem
