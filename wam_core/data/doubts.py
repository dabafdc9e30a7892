"""What speaks against training on a set of episodes: contracts that differ, columns that do not vary, outliers."""

from collections.abc import Mapping, Sequence

import numpy as np

from wam_core.contract import FloatArray
from wam_core.data.statistics import CONSTANT_RANGE, LEAST_STD
from wam_core.robot.binding import differences
from wam_core.robot.contract import RobotContract

#: An episode with a value that lies further than this many standard deviations of all other episodes from their mean
#: is named; heavy tails of sound sets stay below 15, degrees among radians are above 50.
FAR = 25.0
#: A camera that sends less than this share of the contract's rate shows old pictures at many steps.
SLOW = 0.8


def unequal(contracts: Mapping[str, RobotContract]) -> list[str]:
    """Files whose robot contract a model could not be bound to together with the first one's, by the first field."""
    found, first = [], next(iter(contracts), "")
    for file, robot in contracts.items():
        differs = next(differences(contracts[first], robot), None)
        if differs is not None:
            found.append(f"{file}: {differs.field} is {differs.value}, in {first} {differs.expected.split(',')[0]}")
    return found


def still(columns: Mapping[str, tuple[float, float, float]]) -> list[str]:
    """Columns of (least, mean, greatest) that never vary: nothing is learnt from them, nor ever done."""
    return [f"{name} is always {a:.4f}" for name, (a, _, b) in columns.items() if b - a < CONSTANT_RANGE]


def outlying(files: Sequence[str], columns: Mapping[str, FloatArray]) -> list[str]:
    """Episodes with a value far from what all the others have.

    Args:
        columns: name -> ``[E, 5]`` least value, mean, greatest value, mean square and number of rows of each episode,
            in the order of ``files``.
    """
    found = []
    for name, values in columns.items() if len(files) > 1 else ():
        least, mean, greatest, square, rows = values.T
        others = rows.sum() - rows
        centre = ((mean * rows).sum() - mean * rows) / others
        variance = ((square * rows).sum() - square * rows) / others - centre**2
        spread = np.maximum(np.sqrt(np.maximum(variance, 0.0)), LEAST_STD)
        for extreme in (least, greatest):
            for episode in np.flatnonzero(np.abs(extreme - centre) > FAR * spread).tolist():
                found.append(f"{files[episode]}: {name} reaches {extreme[episode]:.4f}")
    return found


def slow(robot: RobotContract, rates: Mapping[str, float]) -> list[str]:
    """Cameras (Hz) that send less than the contract says."""
    wanted = robot.rates.camera_hz
    return [
        f"{name} sends {hz:.1f} Hz, the contract says {wanted:g}" for name, hz in rates.items() if hz < SLOW * wanted
    ]
