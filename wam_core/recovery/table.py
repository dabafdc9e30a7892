"""The recoveries that a preset can name."""

from collections.abc import Mapping

from wam_core.recovery.heatmap import HeatmapSpec
from wam_core.recovery.jacobian import JacobianSpec
from wam_core.recovery.object_pose import ObjectPoseSpec
from wam_core.recovery.recovery import RecoverySpec
from wam_core.recovery.rigid_motion import RigidMotionSpec

RECOVERIES: Mapping[str, type[RecoverySpec]] = {
    "rigid_motion": RigidMotionSpec,
    "object_pose": ObjectPoseSpec,
    "heatmap": HeatmapSpec,
    "jacobian": JacobianSpec,
}
