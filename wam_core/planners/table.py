"""The planners that a preset can name."""

from collections.abc import Mapping

from wam_core.planners.best_of_n import BestOfN
from wam_core.planners.filter import Filter
from wam_core.planners.mcts import Mcts
from wam_core.planners.planner import PlannerSpec
from wam_core.planners.trajectory import Cem, Mppi
from wam_core.planners.tree_search import TreeSearch

PLANNERS: Mapping[str, type[PlannerSpec]] = {
    "best_of_n": BestOfN,
    "filter": Filter,
    "cem": Cem,
    "mppi": Mppi,
    "tree_search": TreeSearch,
    "mcts": Mcts,
}
