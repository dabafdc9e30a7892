"""What a benchmark is."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Benchmark(NamedTuple):
    """Its own options, and what it does; the exit code tells whether what must hold did."""

    add_arguments: Callable[[argparse._ArgumentGroup], None]
    run: Callable[[argparse.Namespace], int]
