"""The qualities of service of the graph: sensors may lose messages, what is decided and shown must arrive."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliable: bool, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        depth=depth,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


#: Camera images, joint states, wrench, touch.
SENSOR = _profile(5, reliable=False)
#: Sensors that are read later than they come: the queue reaches back far enough to find the value of an instant.
HISTORY = _profile(128, reliable=False)
#: Joint commands: only the newest counts.
COMMAND = _profile(1, reliable=False)
#: Action chunks, status, safety events, what a person looks at.
RELIABLE = _profile(10, reliable=True)
#: What late joiners need as well: instruction, success, robot description.
LATCHED = _profile(1, reliable=True, latched=True)
#: What a recorder takes in bursts.
RECORDED_SENSOR = _profile(1024, reliable=False)
RECORDED_RELIABLE = _profile(1024, reliable=True)
