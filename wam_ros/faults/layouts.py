"""What stands where while faults are injected, in one table."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wam_ros.faults.relay import UPSTREAM
from wam_ros.node_table import GraphNode, Options, nodes_for

RELAY = GraphNode("wam_relay", "wam_ros.faults.relay")


@dataclass(frozen=True)
class Layout:
    """A graph of cell, executor and model.

    Attributes:
        link_mass: of the cell's arm, as a multiple of what executor and model believe.
        relayed: whether cameras and joint states pass through :mod:`wam_ros.faults.relay`.
        apart: whether the model is on another host than the rest (:mod:`wam_ros.faults.hosts`).
    """

    about: str
    link_mass: float = 1.0
    relayed: bool = False
    apart: bool = False

    def nodes(self, options: Options, topics: list[str]) -> dict[str, GraphNode]:
        """What is started, in this order; ``topics`` are those that a relay passes on."""
        known = {node.name: node for node in nodes_for(options)}
        cell = replace(known["wam_cell"], settings={"link_mass": self.link_mass})
        if self.relayed:
            cell = replace(cell, remappings={topic: UPSTREAM + topic for topic in topics})
        chosen = [cell, *([RELAY] if self.relayed else []), known["wam_executor"], known["wam_inference"]]
        return {node.name: node for node in chosen}


LAYOUTS: Mapping[str, Layout] = {
    "plain": Layout("the graph as `wam up` starts it"),
    "relayed": Layout("a relay between the cell and the rest", relayed=True),
    "heavy": Layout("links 30 % heavier than the executor believes", link_mass=1.3),
    "light": Layout("links 30 % lighter than the executor believes", link_mass=0.7),
    "apart": Layout("the model on another host", apart=True),
}
