"""How much a chunk may cost: what of a trained preset can be turned while it runs, without training anything again."""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Dial:
    """A point on the way from cheap to good; as it is by default a preset runs as it says itself.

    Attributes:
        denoising_steps: of groups that name none of their own; 0: as many as the preset says.
        imagined_horizon: chunk steps that futures reach, one of :func:`wam_core.dial_limits.horizons`; 0: all.
        cache_reuse: so many successive denoising steps have what is denoised beside the chunk (a future, in joint
            models) from one pass; in the steps between, only the chunk is carried, on the keys and values of that pass,
            and what lies beside it goes on as its heads said there. 1: every step has its own pass. What a pass of
            the network says changes little from one step to the next: Ma, Fang and Wang 2024, "DeepCache"; DreamZero
            (Ye et al. 2026) does it to a joint World Action Model.
    """

    denoising_steps: int = 0
    imagined_horizon: int = 0
    cache_reuse: int = 1

    def __str__(self) -> str:
        steps, horizon = (str(n) if n else "as the preset" for n in (self.denoising_steps, self.imagined_horizon))
        return f"denoising steps {steps}, imagined horizon {horizon}, cache reuse {self.cache_reuse}"


def dials(steps: tuple[int, ...], horizons: tuple[int, ...], reuses: tuple[int, ...]) -> list[Dial]:
    """Every combination."""
    return [Dial(*point) for point in product(steps, horizons, reuses)]
