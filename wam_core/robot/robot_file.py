"""Reading robot files: ``config/robots/<name>.yaml``, checked field by field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wam_core.contract import FloatArray, check_finite
from wam_core.errors import ContractError, look_up
from wam_core.fields import exact_fields
from wam_core.paths import share_path
from wam_core.robot.body import ActionSpec
from wam_core.robot.contract import (
    COMMANDS,
    TRACKED_SPACES,
    TRANSPORTS,
    Camera,
    Drive,
    Gains,
    JointLimits,
    Payload,
    Rates,
    RobotContract,
    Staleness,
    Topics,
    Workspace,
    column_names,
)
from wam_core.robot.crop import read_crop
from wam_core.robot.distortion import read_distortion
from wam_core.robot.fingers import HAND_FINGERS, Fingers, Gripper
from wam_core.robot.lens import read_lens
from wam_core.robot.safety import read_safety
from wam_core.robot.senses import read_senses


def load_robot(name_or_path: str) -> RobotContract:
    """Read ``config/robots/<name>.yaml`` or a file given by path.

    Raises:
        ContractError: unknown name, missing or unknown field, wrong length, unordered limits, a posture of the fingers
            beyond them, columns other than those of the action space.
    """
    path = Path(name_or_path)
    if path.suffix != ".yaml":
        folder = share_path("config/robots")
        path = look_up({p.stem: p for p in folder.glob("*.yaml")}, name_or_path, "robot")
    return from_dict(yaml.safe_load(path.read_text()), str(path))


def from_dict(raw: Mapping[str, Any], source: str = "robot") -> RobotContract:
    """Build and check a contract; errors name ``source`` and the dotted field."""
    fields = exact_fields(RobotContract, raw, source)
    arms = len(fields["joints"])
    limits = _vectors(exact_fields(JointLimits, raw["limits"], f"{source}.limits"), arms, f"{source}.limits")
    for name, bound in limits.items():
        if name not in ("lower", "upper") and np.any(bound <= 0):
            raise ContractError(f"{source}.limits.{name}", bound.tolist(), "positive numbers")
    if np.any(limits["lower"] >= limits["upper"]):
        raise ContractError(f"{source}.limits.lower", limits["lower"].tolist(), "below limits.upper for each joint")
    workspace = exact_fields(Workspace, raw["workspace"], f"{source}.workspace")
    box = _vectors({k: workspace[k] for k in ("lower", "upper")}, 3, f"{source}.workspace")
    gains = _vectors(exact_fields(Gains, raw["gains"], f"{source}.gains"), arms, f"{source}.gains")
    action = exact_fields(ActionSpec, raw["action"], f"{source}.action")
    look_up(TRACKED_SPACES, action["space"], f"{source}.action.space")
    command = fields.get("command", "effort")
    look_up(COMMANDS, command, f"{source}.command")
    fingers = _fingers(raw, source)
    grips = fingers["gripper"] is not None or fingers["hand"] is not None
    columns = column_names(action["space"], tuple(raw["joints"]), grips)
    return RobotContract(
        name=fields["name"],
        urdf=fields["urdf"],
        base_frame=fields["base_frame"],
        tool_frame=fields["tool_frame"],
        tool_reference_rpy=_vectors({"tool_reference_rpy": raw["tool_reference_rpy"]}, 3, source)["tool_reference_rpy"],
        home=_vectors({"home": raw["home"]}, arms, source)["home"],
        joints=tuple(raw["joints"]),
        limits=JointLimits(**limits),
        workspace=Workspace(**box, speed=float(workspace["speed"])),
        gains=Gains(**gains),
        rates=Rates(**exact_fields(Rates, raw["rates"], f"{source}.rates")),
        staleness=Staleness(**exact_fields(Staleness, raw["staleness"], f"{source}.staleness")),
        cameras=tuple(_camera(c, f"{source}.cameras") for c in raw["cameras"]),
        topics=Topics(**exact_fields(Topics, raw["topics"], f"{source}.topics")),
        tactile=tuple(raw["tactile"]),
        action=ActionSpec(space=action["space"], names=_columns(action["names"], columns, f"{source}.action.names")),
        proprioception=_columns(raw["proprioception"], column_names("ee_pose", (), grips), f"{source}.proprioception"),
        command=command,
        drive=_drive(raw.get("drive"), arms, source),
        payload=_payload(raw.get("payload"), source),
        safety=read_safety(raw.get("safety", {}), f"{source}.safety"),
        senses=read_senses(raw.get("senses", ()), [c["name"] for c in raw["cameras"]], f"{source}.senses"),
        **fingers,
    )


def _camera(raw: Mapping[str, Any], source: str) -> Camera:
    fields = exact_fields(Camera, raw, source)
    source = f"{source}.{fields['name']}"
    look_up(TRANSPORTS, fields.get("transport", "raw"), f"{source}.transport")
    lens = read_lens(fields.pop("lens", None), fields["width"], fields["height"], f"{source}.lens")
    crop = read_crop(fields.get("crop"), fields["width"], fields["height"], source)
    distortion = read_distortion(fields.get("distortion"), lens, source)
    return Camera(**fields | {"lens": lens, "distortion": distortion, "crop": crop})


def _fingers(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """``gripper`` and ``hand``, at most one of which is there."""
    if raw.get("gripper") is not None and raw.get("hand") is not None:
        raise ContractError(f"{source}.hand", raw["hand"], "a gripper or a hand, not both")
    if raw.get("gripper") is not None:
        gripper = Gripper(**exact_fields(Gripper, raw["gripper"], f"{source}.gripper"))
        if gripper.open == gripper.closed:
            raise ContractError(f"{source}.gripper.open", gripper.open, "another position than closed")
        return {"gripper": gripper, "hand": None}
    if raw.get("hand") is None:
        return {"gripper": None, "hand": None}
    name = f"{source}.hand"
    fields = exact_fields(Fingers, raw["hand"], name)
    joints, tips = tuple(fields.pop("joints")), dict(fields.pop("tips", {}))
    for finger in tips:
        look_up(HAND_FINGERS, finger, f"{name}.tips")
    hand = Fingers(joints, **_vectors(fields, len(joints), name), tips=tips)
    for posture in ("closed", "open"):
        values = getattr(hand, posture)
        if np.any((values < hand.lower) | (values > hand.upper)):
            raise ContractError(f"{name}.{posture}", values.tolist(), "within lower and upper")
    if not np.any(hand.open != hand.closed):
        raise ContractError(f"{name}.open", hand.open.tolist(), "another posture than closed")
    return {"gripper": None, "hand": hand}


def _drive(raw: Mapping[str, Any] | None, arms: int, source: str) -> Drive | None:
    if raw is None:
        return None
    drive = _vectors(exact_fields(Drive, raw, f"{source}.drive"), arms, f"{source}.drive")
    for name, values in drive.items():
        if np.any(values < 0.0):
            raise ContractError(f"{source}.drive.{name}", values.tolist(), "numbers >= 0")
    return Drive(**drive)


def _payload(raw: Mapping[str, Any] | None, source: str) -> Payload | None:
    if raw is None:
        return None
    fields = exact_fields(Payload, raw, f"{source}.payload")
    if not fields["mass"] >= 0.0:
        raise ContractError(f"{source}.payload.mass", fields["mass"], "a mass >= 0 kg")
    centre = _vectors({"centre": fields["centre"]}, 3, f"{source}.payload")["centre"]
    return Payload(float(fields["mass"]), centre)


def _columns(found: object, expected: tuple[str, ...], field: str) -> tuple[str, ...]:
    """Columns are read by position: other names, or another order, would name what is not there."""
    if found != list(expected):
        raise ContractError(field, found, f"{list(expected)} in this order")
    return expected


def _vectors(raw: Mapping[str, Any], length: int, source: str) -> dict[str, FloatArray]:
    out = {}
    for name, value in raw.items():
        array = np.asarray(value, dtype=np.float64)
        if array.shape != (length,):
            raise ContractError(f"{source}.{name}", value, f"a list of {length} numbers")
        check_finite(f"{source}.{name}", array)
        array.setflags(write=False)
        out[name] = array
    return out
