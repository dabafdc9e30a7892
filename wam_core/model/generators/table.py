"""The ways of generating that a group can name."""

from collections.abc import Mapping

from wam_core.model.generators.flow_matching import CleanFlowMatching, FlowMatching
from wam_core.model.generators.generator import Generator
from wam_core.model.generators.joint_embedding import JointEmbedding
from wam_core.model.generators.masked_diffusion import MaskedDiffusion
from wam_core.model.generators.next_token import NextToken
from wam_core.model.generators.parallel_tokens import ParallelTokens
from wam_core.model.generators.regression import Regression
from wam_core.model.generators.score_diffusion import ScoreDiffusion
from wam_core.model.generators.token_diffusion import TokenDiffusion

GENERATORS: Mapping[str, Generator] = {
    "flow_matching": FlowMatching(),
    "clean_flow_matching": CleanFlowMatching(),
    "score_diffusion": ScoreDiffusion(),
    "masked_diffusion": MaskedDiffusion(),
    "next_token": NextToken(),
    "parallel_tokens": ParallelTokens(),
    "token_diffusion": TokenDiffusion(),
    "regression": Regression(),
    "joint_embedding": JointEmbedding(),
}
