"""The robot, what it sees and what was imagined, as a Rerun recording with a layout made for the task."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wam_core.contract import ActionChunk, FloatArray, Future
from wam_core.errors import ContractError
from wam_core.evaluation.surprise import region_boxes
from wam_core.paths import share_path
from wam_core.robot.contract import RobotContract
from wam_core.robot.kinematics import Kinematics
from wam_core.viewing.pictures import OF_NO_CAMERA, PICTURES, as_pictures, parts

try:
    import rerun as rr
    import rerun.blueprint as rrb
    from rerun.urdf import UrdfTree
except ImportError as error:
    raise ContractError("rerun", "not installed", "the viewer: pip install -r requirements-view.txt") from error

Image = NDArray[np.uint8]

#: Colours (RGB): what will be done, where the tool may be, where it was.
PLAN, BOX, TRACE = (60, 200, 120), (120, 120, 120), (240, 160, 40)
#: Of the regions of a picture that surprise.
SURPRISING = (255, 40, 40)
#: Joint states are shown at this rate; more is not seen (Hz).
STATE_HZ = 50.0


class View:
    """Everything is placed at its own stamp on the timeline ``ros_time``, imagined frames at the instant they show."""

    def __init__(self, robot: RobotContract, name: str, kinds: Collection[str] = tuple(PICTURES)) -> None:
        """``kinds`` of futures have a place in the layout."""
        self.robot, self._kinds = robot, kinds
        self.stream = rr.RecordingStream(f"wam {robot.name}")
        self.stream.send_recording_name(name)
        self._kinematics = Kinematics(robot)
        self._tree = UrdfTree.from_file_path(share_path(robot.urdf))
        self._joints = {joint.name: joint for joint in self._tree.joints()}
        self._next_state_ns = 0

    def save(self, file: Path) -> None:
        """Everything goes to an ``.rrd`` file. Call this, or :meth:`open`, before showing anything."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self.stream.save(file, default_blueprint=layout(self.robot, self._kinds))
        self._place()

    def open(self) -> None:
        """Everything goes to the viewer, which is started where it does not run."""
        self.stream.spawn(default_blueprint=layout(self.robot, self._kinds))
        self._place()

    def close(self) -> None:
        self.stream.flush()
        self.stream.disconnect()

    def state(self, stamp_ns: int, position: FloatArray) -> None:
        """Joint positions ``[J + F]`` in contract order."""
        if 0 < self._next_state_ns - stamp_ns < 1e9 / STATE_HZ:
            return
        self._next_state_ns = stamp_ns + round(1e9 / STATE_HZ)
        self._at(stamp_ns)
        values = dict(zip(self.robot.joint_names, position.tolist(), strict=True))
        for name, joint in self._joints.items():
            value = values.get(name)
            if value is None and joint.mimic is not None and joint.mimic.joint in values:
                value = joint.mimic.multiplier * values[joint.mimic.joint] + joint.mimic.offset
            if value is not None:
                self.stream.log(["joints", name], joint.compute_transform(value, clamp=False))
        limits = self.robot.limits
        share = (position[: len(limits.lower)] - limits.lower) / (limits.upper - limits.lower)
        for name, value in zip(self.robot.joints, share, strict=True):
            self.stream.log(["range", name], rr.Scalars(float(value)))

    def image(self, camera: str, stamp_ns: int, pixels: Image) -> None:
        """Measured, uint8 RGB ``[H, W, 3]``."""
        self._at(stamp_ns)
        self.stream.log(f"cameras/{camera}/measured", rr.Image(pixels))

    def future(self, future: Future) -> None:
        """Pictures of what is imagined, each at the instant it is imagined for."""
        for layer in parts(future):
            self._show(as_pictures(layer))

    def _show(self, shown: Future) -> None:
        for k, frame in enumerate(shown.values):
            self._at(shown.stamp_ns + (k + 1) * shown.step_ns)
            if not shown.regions:
                self.stream.log(f"imagined/{shown.substrate}", rr.Image(frame))
            for camera, (top, left, height, width) in shown.regions.items():
                tile = np.ascontiguousarray(frame[top : top + height, left : left + width])
                self.stream.log(f"cameras/{camera}/imagined/{shown.substrate}", rr.Image(tile))

    def chunk(self, chunk: ActionChunk) -> None:
        """The tool's path, where the chunk's values are this arm's joints or tool poses; and what it took."""
        self._at(chunk.stamp_ns)
        path = [position for _, position in self._kinematics.tool_poses(chunk)]
        if path:
            self.stream.log("plan", rr.LineStrips3D([path], colors=[PLAN], radii=[0.004]))
        self.stream.log(["timing", "inference (ms)"], rr.Scalars(chunk.inference_ns / 1e6))

    def number(self, name: str, stamp_ns: int, value: float) -> None:
        """A point of a curve, e.g. ``surprise/front`` or ``timing/tick lateness p99 (ms)``."""
        if np.isfinite(value):
            self._at(stamp_ns)
            parts: list[object] = [*name.split("/")]
            self.stream.log(parts, rr.Scalars(value))

    def surprise(self, stamp_ns: int, value: float, regions: Mapping[str, float]) -> None:
        """Its curve, and a curve and frames over the measured picture for each camera: the regions where it is above 1.

        Args:
            regions: ``camera/row/column`` of a grid -> surprise, NaN where there is none to tell.
        """
        self.number("surprise/greatest", stamp_ns, value)
        for camera in self.robot.cameras:
            own = {name: v for name, v in regions.items() if name.split("/")[0] == camera.name and np.isfinite(v)}
            if not own:
                continue
            self.number(f"surprise/{camera.name}", stamp_ns, max(own.values()))
            boxes = region_boxes(camera.size)
            places = {f"{camera.name}/{row}/{column}": box for (row, column), box in boxes.items()}
            high = {name: value for name, value in own.items() if value > 1.0}
            corners = np.array([places[name] for name in high], np.float64).reshape(-1, 2, 2)[:, :, ::-1]
            frames = rr.Boxes2D(
                mins=corners[:, 0],
                sizes=corners[:, 1] - corners[:, 0],
                colors=[SURPRISING],
                labels=[f"{value:.1f}" for value in high.values()],
            )
            self.stream.log(f"cameras/{camera.name}/measured/surprise", frames)

    def say(self, stamp_ns: int, text: str, level: str = "INFO") -> None:
        """A line of the log: an instruction, a safety event."""
        self._at(stamp_ns)
        self.stream.log("log", rr.TextLog(text, level=level))

    def _at(self, stamp_ns: int) -> None:
        self.stream.set_time("ros_time", timestamp=np.datetime64(stamp_ns, "ns"))

    def _place(self) -> None:
        """The robot itself, the box its tool stays in, and the ends of every joint's range."""
        self._tree.log_urdf_to_recording(self.stream)
        space = self.robot.workspace
        centre, half = (space.lower + space.upper) / 2, (space.upper - space.lower) / 2
        box = rr.Boxes3D(centers=[centre], half_sizes=[half], colors=[BOX], labels=["workspace"], show_labels=False)
        base = rr.CoordinateFrame(self._tree.root_link().name)
        for entity, shape in (("workspace", (box, base)), ("plan", (base,))):
            for part in shape:
                self.stream.log(entity, part, static=True)
        for name, value in (("lower limit", 0.0), ("upper limit", 1.0)):
            self.stream.log(["range", name], rr.SeriesLines(names=[name], colors=[BOX]), static=True)
            self.stream.log(["range", name], rr.Scalars(value), static=True)


def _imagined(camera: str, kind: str) -> Any:
    return rrb.Spatial2DView(origin=f"cameras/{camera}/imagined/{kind}", name=f"{camera}, imagined: {kind}")


def layout(robot: RobotContract, kinds: Collection[str]) -> Any:
    """The blueprint: cameras with what was imagined below, the robot, then curves, what no camera sees, and the log."""
    cameras = [
        rrb.Vertical(
            rrb.Spatial2DView(origin=f"cameras/{camera.name}/measured", name=f"{camera.name}, measured"),
            rrb.Tabs(*(_imagined(camera.name, kind) for kind in kinds if kind not in OF_NO_CAMERA)),
        )
        for camera in robot.cameras
    ]
    placed = ["/**", "- /cameras/**", "- /imagined/**"]
    scene = rrb.Spatial3DView(origin="/", contents=placed, name="robot, plan, workspace")
    curves = rrb.Tabs(
        rrb.TimeSeriesView(origin="surprise", name="surprise"),
        rrb.TimeSeriesView(origin="range", name="joints in their range"),
        rrb.TimeSeriesView(origin="timing", name="timing"),
        rrb.Spatial2DView(origin="imagined", name="imagined, of no camera"),
    )
    return rrb.Blueprint(
        rrb.Vertical(
            rrb.Horizontal(scene, *cameras, column_shares=[2] + [1] * len(cameras)),
            rrb.Horizontal(curves, rrb.TextLogView(origin="log", name="instructions, safety events")),
            row_shares=[2, 1],
        ),
        collapse_panels=True,
    )
