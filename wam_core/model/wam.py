"""A World Action Model: a wiring of token groups carried by the trunk, trained and sampled without special cases."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from wam_core.errors import ContractError, look_up
from wam_core.model import learning, sampling
from wam_core.model.enacting import Enactor, ToValues
from wam_core.model.experts.table import EXPERTS
from wam_core.model.generators.fitting import check_generator, head_of
from wam_core.model.generators.table import GENERATORS
from wam_core.model.groups import SEQUENCES, TokenGroup, Wiring
from wam_core.model.known import Known
from wam_core.model.lifting import Lift, PointTokens
from wam_core.model.modalities import Embedding, Modality, TokenShape, modality_of
from wam_core.model.runtimes.eager import Eager
from wam_core.model.situation import Situation
from wam_core.model.text import GivenText, Text, TextEncoder
from wam_core.model.token_diffuser import TokenDiffuser
from wam_core.model.trunk import Expert, ExpertSize, KeyValue, Stream, Time, Trunk, TrunkSize
from wam_core.pretrained.language import load_words

#: Substrate and span.
Content = tuple[str, str]


@dataclass(frozen=True)
class ModelSpec:
    """Everything that fixes the parameters and the wiring of a model; ``lifts`` are those of substrates with groups
    that are seen as points, ``enactors`` of those in which an action is enacted."""

    groups: tuple[TokenGroup, ...]
    experts: Mapping[str, ExpertSize]
    trunk: TrunkSize
    shapes: Mapping[str, TokenShape]
    proprio_dim: int
    vocabulary: tuple[str, ...]
    text_length: int
    lifts: Mapping[str, Lift] = field(default_factory=dict)
    enactors: Mapping[str, Enactor] = field(default_factory=dict)


class WorldActionModel(nn.Module):
    """Predicts the features ``[B, N, F]`` of generated groups from observed ones and a context."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.wiring = Wiring(spec.groups)
        makers = {name: look_up(EXPERTS, e.kind, f"experts.{name}.kind") for name, e in spec.experts.items()}
        gated = [g.name for g in spec.groups if g.gate]
        self.trunk = Trunk({n: make(spec.experts[n], spec.trunk) for n, make in makers.items()}, spec.trunk, gated)
        self.text = _text(spec)
        self.proprio_encoder = nn.Linear(spec.proprio_dim, spec.trunk.text_dim)
        self.modalities = nn.ModuleDict()
        self.diffusers = nn.ModuleDict()
        self.lifted = nn.ModuleDict()
        self._to_values: ToValues | None = None
        carrier: dict[str, str] = {}
        for group in spec.groups:
            where, substrate = f"groups.{group.name}", group.substrate
            shape = look_up(spec.shapes, substrate, f"{where}.substrate")
            expert = look_up(spec.experts, group.expert, f"{where}.expert")
            if not shape.frames(group.span):
                raise ContractError(f"{where}.span", group.span, f"a span that {substrate} has")
            if group.generator:
                check_generator(group, shape)
            if group.lifted:
                self.lifted[group.name] = PointTokens(spec.lifts[substrate], shape, expert.width)
                continue
            if carrier.setdefault(substrate, group.expert) != group.expert:
                expected = f"{carrier[substrate]!r}, which carries {substrate} already"
                raise ContractError(f"{where}.expert", group.expert, expected)
            if substrate not in self.modalities:
                maker = head_of(spec.groups, substrate)
                drawn = maker is not None and maker.drawn
                outputs = expert.width if drawn else shape.features * (maker.outputs if maker else 1)
                self.modalities[substrate] = modality_of(shape, expert.width, outputs)
                if drawn:
                    self.diffusers[substrate] = TokenDiffuser(shape.features, expert.width)
        self.masks = nn.ModuleDict(
            {g.name: nn.Linear(spec.shapes[g.substrate].features, 1) for g in spec.groups if g.masked}
        )
        self.make_angles()

    def make_angles(self) -> None:
        """Rotary tables of all groups; a model built without memory needs them once it has its parameters."""
        # In an expert's sequence the context comes first, then the groups; a copy stands where its original does.
        starts: dict[tuple[str, ...], int] = {}
        following: dict[str, int] = {}
        for name, group in self.wiring.groups.items():
            positions, key = self._embedding(group).positions(group.span), (group.expert, *group.content)
            if key not in starts:
                starts[key] = following.get(group.expert, self.spec.text_length + 1)
                following[group.expert] = starts[key] + len(positions)
            cos, sin = self._expert(group).tables(positions, starts[key])
            self.register_buffer(f"cos_{name}", cos, persistent=False)
            self.register_buffer(f"sin_{name}", sin, persistent=False)
            self.register_buffer(f"own_{name}", self._own(group), persistent=False)

    def _own(self, group: TokenGroup) -> Tensor | None:
        """Which of its own tokens each token of a group sees; None: all."""
        frames = self._embedding(group).positions(group.span)[:, 0]
        numbers = torch.arange(len(frames))
        orders = {
            "causal": frames[:, None] >= frames,
            "raster": numbers[:, None] >= numbers,
            "alone": frames[:, None] == frames,
        }
        return orders.get(group.order)

    def _embedding(self, group: TokenGroup) -> Embedding:
        return cast(Embedding, self.lifted[group.name]) if group.lifted else self._modality(group)

    def _modality(self, group: TokenGroup) -> Modality:
        return cast(Modality, self.modalities[group.substrate])

    def _expert(self, group: TokenGroup) -> Expert:
        return self.trunk.expert(group.expert)

    def context(self, words: Tensor, proprioception: Tensor) -> Tensor:
        """Context tokens ``[B, L + 1, text_dim]``: the instruction's words, then proprioception."""
        return self.join(self.text(words), proprioception)

    def join(self, words: Tensor, proprioception: Tensor) -> Tensor:
        """Context tokens of the words' ``[B, L, text_dim]``."""
        return torch.cat((words, self.proprio_encoder(proprioception)[:, None]), dim=1)

    def text_cache(self, names: Iterable[str], context: Tensor) -> dict[str, list[KeyValue]]:
        """Cross-attention keys and values for the experts that carry ``names``."""
        experts = {self.wiring.groups[n].expert: self._expert(self.wiring.groups[n]) for n in names}
        return {name: expert.text_cache(context) for name, expert in experts.items()}

    def _stream(self, group: TokenGroup, features: Tensor, time: Time, part: range | None = None) -> Stream:
        cos, sin = getattr(self, f"cos_{group.name}"), getattr(self, f"sin_{group.name}")
        tokens = self._embedding(group).embed(features, group.span)
        count = tokens.shape[1]  # of a future that reaches less far the first are there
        cos, sin = cos[:count], sin[:count]
        if group.masked:
            tokens = tokens * self.mask(group.name, features)
        if group.order in SEQUENCES and group.source == "generated":
            frames = len(self.spec.shapes[group.substrate].frames(group.span))
            frame = 1 if group.order == "raster" else tokens.shape[1] // frames
            tokens = torch.cat((torch.zeros_like(tokens[:, :frame]), tokens[:, :-frame]), dim=1)
        own = getattr(self, f"own_{group.name}")
        if own is not None:
            own = own[:count, :count]
        if part is not None:
            rows = slice(part.start, part.stop)
            tokens, cos, sin, own = tokens[:, rows], cos[rows], sin[rows], own[rows, : part.stop]
        return Stream(group.expert, group.sees, tokens, time, cos, sin, own, group.gate)

    def mask(self, name: str, features: Tensor) -> Tensor:
        """``[B, N, 1]`` in 0..1: how much of each token of a masked group is let through."""
        return torch.sigmoid(cast(nn.Linear, self.masks[name])(features))

    def run(
        self,
        features: Mapping[str, Tensor],
        sigmas: Mapping[str, Tensor],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        """One pass, whole: heads' outputs of the generated groups in ``features``, keys and values of all of them."""
        times = {n: self._expert(self.wiring.groups[n]).time(sigmas[n]) for n in features}
        return self._carry(features, times, text, cache, features)

    def carry(
        self,
        features: Mapping[str, Tensor],
        times: Mapping[str, Time],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        """:meth:`run`, with noise levels that are embedded already, and without the end of groups that have no head."""
        generated = [n for n in features if self.wiring.groups[n].source == "generated"]
        return self._carry(features, times, text, cache, generated)

    def _carry(
        self,
        features: Mapping[str, Tensor],
        times: Mapping[str, Time],
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
        read: Collection[str],
    ) -> tuple[dict[str, Tensor], dict[str, list[KeyValue]]]:
        streams = {n: self._stream(self.wiring.groups[n], value, times[n]) for n, value in features.items()}
        tokens, produced = self.trunk(streams, text, cache, read)
        heads = {
            name: self._modality(group).head(tokens[name], times[name].vector)
            for name, group in self.wiring.groups.items()
            if name in features and group.source == "generated"
        }
        return heads, produced

    def write(
        self,
        name: str,
        features: Tensor,
        time: Time,
        part: range,
        text: Mapping[str, Sequence[KeyValue]],
        cache: Mapping[str, Sequence[KeyValue]],
    ) -> tuple[Tensor, list[KeyValue]]:
        """As :meth:`carry`, of the tokens ``part`` of a group in which no token sees a later one.

        Args:
            features: ``[B, N, F]`` of the whole group, of which those before ``part`` are known.
            cache: keys and values of what the group sees and, under its own name, of its tokens before ``part``.

        Returns:
            The head's outputs ``[B, len(part), ...]`` and keys and values per layer of these tokens.
        """
        group = self.wiring.groups[name]
        tokens, produced = self.trunk({name: self._stream(group, features, time, part)}, text, cache)
        return self._modality(group).head(tokens[name], time.vector), produced[name]

    def losses(self, clean: Mapping[Content, Tensor], context: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Error per generated group as its generator measures it, weighted over noise levels, not by ``loss_weight``.

        Clean groups run once; each set of groups that see each other's noise then runs on their keys and values.

        Args:
            clean: (substrate, span) -> true features ``[B, N, F]``.
        """
        return learning.losses(self, clean, context, rng)

    def error(self, group: TokenGroup, head: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
        """``[B]`` of what a head says, as the group's generator measures it, or what draws its tokens."""
        if group.substrate in self.diffusers:
            return cast(TokenDiffuser, self.diffusers[group.substrate]).error(head, target, rng)
        return GENERATORS[group.generator].error(head, target)

    def said(self, group: str, head: Tensor, noise: Tensor) -> Tensor:
        """What a head says of a group: itself, or the tokens ``[B, N, F]`` that are drawn from noise as it says."""
        substrate = self.wiring.groups[group].substrate
        if substrate not in self.diffusers:
            return head
        return cast(TokenDiffuser, self.diffusers[substrate]).draw(head, noise)

    def generate(
        self,
        observed: Mapping[Content, Tensor],
        context: Tensor,
        outputs: Iterable[str],
        steps: int,
        rng: torch.Generator,
        reuse: bool = True,
        given: Mapping[str, Tensor] | None = None,
        known: Mapping[str, Known] | None = None,
    ) -> dict[str, Tensor]:
        """Features of the groups in ``outputs`` and of every other generated group that was finished for them.

        Args:
            observed: (substrate, span) -> features of observed groups.
            steps: denoising steps of groups that name none of their own.
            rng: each group's noise is drawn from a generator of its own, so that it does not depend on ``outputs``.
            reuse: compute what is needed, and once what does not change; ``False`` runs all groups, the text and the
                embedding of time in every step, as training does (the reference the fast path is tested against).
            given: features of generated groups that are known: a world model is given the action, an inverse
                dynamics model the future.
            known: what generated groups go on from. In every step what the head says is brought to what it would say
                if it knew those features, as far as their weights say: fully known tokens come out as they are, and
                the others are generated beside them.
        """
        situation = Situation(Eager(self), observed, context)
        return sampling.generate(situation, outputs, steps, rng, given, known, reuse=reuse)

    def bind(self, to_values: ToValues) -> None:
        """Say what chunks mean, which what is enacted needs: the statistics that they were normalised with."""
        self._to_values = to_values

    def enacted(self, substrate: str, action: Tensor, here: Tensor) -> Tensor:
        """Future features ``[B, N, F]`` of the robot's body if chunks ``[B, steps, A]`` are carried out from ``here``.

        Raises:
            ContractError: nobody has said what chunks mean.
        """
        if self._to_values is None:
            raise ContractError("model.statistics", None, "those that its chunks are normalised with")
        enactor, made = self.spec.enactors[substrate], []
        for features, body in zip(action.cpu(), here.cpu(), strict=True):
            made.append(enactor.enacted(body, self._to_values(features, enactor.proprioception(body))))
        return torch.stack(made).to(here)

    def steps_of(self, group: str) -> int:
        """Denoising steps of a group; 0: as many as a call asks for."""
        raster = self.wiring.groups[group].order == "raster"
        return self.shape_of(group)[0] if raster else self.wiring.groups[group].steps

    def shape_of(self, group: str) -> tuple[int, int]:
        """Tokens N and features F of a group."""
        shape = self.spec.shapes[self.wiring.groups[group].substrate]
        return shape.tokens(self.wiring.groups[group].span), shape.features


def _text(spec: ModelSpec) -> Text:
    """The words of the published language model that an expert is, or else a small encoder of those of the data."""
    published = next((e.weights for e in spec.experts.values() if e.weights), "")
    if published:
        words = load_words(published, spec.text_length)
        if words.width != spec.trunk.text_dim:
            raise ContractError("trunk.text_dim", spec.trunk.text_dim, f"{words.width}, as the words of {published}")
        return words
    return TextEncoder(spec.vocabulary, spec.text_length, spec.trunk.text_dim) if spec.vocabulary else GivenText()
