# SPDX-License-Identifier: Apache-2.0
"""From samples to the figures of a row."""

import statistics
from dataclasses import dataclass, field

# A row's unit, and a figure in it for one operation that took so many seconds.
UNITS = {
    "op/s": lambda seconds: 1 / seconds,
    "ms": lambda seconds: 1e3 * seconds,
    "us": lambda seconds: 1e6 * seconds,
}


@dataclass
class Figures:
    """Seconds per operation; hsm[i] and default[i] were taken one right after the other."""

    name: str
    unit: str
    hsm: list
    default: list
    hsm_cpu: list = field(default_factory=list)
    default_cpu: list = field(default_factory=list)

    def ratios(self):
        """Pair by pair, above 1 where the HSM is faster. A slow moment hits both of a pair."""
        return [default / hsm for hsm, default in zip(self.hsm, self.default)]

    def value(self, side):
        return UNITS[self.unit](statistics.median(getattr(self, side)))

    def ratio(self):
        return statistics.median(self.ratios())

    def spread(self):
        """The middle half of the ratios."""
        quarters = statistics.quantiles(self.ratios(), n=4)
        return quarters[0], quarters[2]

    def cpu_ratio(self):
        """The same for the processor time, or None where the samples are that already."""
        if not self.hsm_cpu:
            return None
        return statistics.median(
            default / hsm for hsm, default in zip(self.hsm_cpu, self.default_cpu))

    def added_milliseconds(self):
        return 1e3 * statistics.median(
            hsm - default for hsm, default in zip(self.hsm, self.default))

    def as_json(self):
        low, high = self.spread()
        row = {"name": self.name, "hsm": round(self.value("hsm"), 4),
               "default": round(self.value("default"), 4), "ratio": round(self.ratio(), 4),
               "unit": self.unit, "low": round(low, 4), "high": round(high, 4)}
        if self.cpu_ratio() is not None:
            row["cpu_ratio"] = round(self.cpu_ratio(), 4)
        return row

    def as_line(self):
        low, high = self.spread()
        cpu = "" if self.cpu_ratio() is None else f"{self.cpu_ratio():.3f}"
        return (f"{self.name:28} {self.value('hsm'):>12,.2f} {self.value('default'):>12,.2f} "
                f"{self.unit:5} {self.ratio():7.3f}  {low:.3f} .. {high:.3f}  {cpu:>6}")


HEADING = (f"{'row':28} {'hsm':>12} {'default':>12} {'unit':5} {'ratio':>7}  "
           f"{'middle half':14}  {'cpu':>6}")


def in_turns(rounds, hsm, default):
    """Calls both `rounds` times, each one first in every other pair; returns both lists."""
    results = {True: [], False: []}
    for turn in range(2 * (rounds + 1)):
        is_hsm = ((turn + 1) // 2) % 2 == 0
        result = (hsm if is_hsm else default)()
        if turn >= 2:  # the first pair warms up
            results[is_hsm].append(result)
    return results[True], results[False]
