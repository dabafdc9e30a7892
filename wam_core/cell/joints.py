"""The contract's joints in a compiled MuJoCo model: read, put and pushed in contract order."""

import mujoco
import numpy as np

from wam_core.contract import FloatArray
from wam_core.robot.contract import RobotContract


class Joints:
    """Where the joints of ``robot`` are in ``model``, with those that mimic one of them (a gripper's other finger)."""

    def __init__(self, model: mujoco.MjModel, robot: RobotContract) -> None:
        joints = [model.joint(name) for name in robot.joint_names]
        self._qpos = np.array([int(joint.qposadr[0]) for joint in joints])
        self._dofs = np.array([int(joint.dofadr[0]) for joint in joints])
        leaders = {int(joint.id): k for k, joint in enumerate(joints)}
        pairs = [
            (leaders[int(leader)], int(mimic))
            for mimic, leader in zip(model.eq_obj1id, model.eq_obj2id, strict=True)
            if int(leader) in leaders
        ]
        self._leaders = np.array([leader for leader, _ in pairs], dtype=np.intp)
        self._mimic_qpos = np.array([model.jnt_qposadr[mimic] for _, mimic in pairs], dtype=np.intp)
        self._mimic_dofs = np.array([model.jnt_dofadr[mimic] for _, mimic in pairs], dtype=np.intp)

    def read(self, data: mujoco.MjData) -> tuple[FloatArray, FloatArray]:
        """Position and velocity ``[J + K]``."""
        return data.qpos[self._qpos], data.qvel[self._dofs]

    def put(self, data: mujoco.MjData, position: FloatArray) -> None:
        """Set positions ``[J + K]``; velocities are left as they are."""
        data.qpos[self._qpos] = position
        data.qpos[self._mimic_qpos] = position[self._leaders]

    def push(self, data: mujoco.MjData, effort: FloatArray) -> None:
        """Apply efforts ``[J + K]``; a joint and the one that mimics it share theirs."""
        data.qfrc_applied[self._dofs] = effort
        shared = effort[self._leaders] / 2
        data.qfrc_applied[self._dofs[self._leaders]] = data.qfrc_applied[self._mimic_dofs] = shared
