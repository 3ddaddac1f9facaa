"""When a fault that stands ends: the rules are those of faults.py."""

from . import faults, params, times
from .ticks import add


class Clearing:
    """How long the cause of each fault has been away, and how often one has cleared by itself."""

    def __init__(self) -> None:
        self._away_ms = [0] * len(faults.FAULTS)
        self._reclosed = 0  # residual current faults that have cleared by themselves for this car

    def unplugged(self) -> None:
        """The next car has its own tries."""
        self._reclosed = 0

    def update(
        self,
        standing: int,
        causes: int,
        passed_ms: int,
        proven_open: bool,
        unplugged: bool,
        ordered: bool,
        value: "list[int]",
    ) -> int:
        """Return those of the standing faults that still stand.

        A fault whose cause is there stands, and so does each until the contacts are `proven_open`; `unplugged`: there is no car;
        `ordered`: the station has asked for it; `value`: the parameters.
        """
        tries = self._reclosed
        for number in range(len(faults.FAULTS)):
            row = faults.FAULTS[number]
            if not standing & row[0]:
                continue
            if causes & row[0]:
                self._away_ms[number] = 0
                continue
            away_ms = add(self._away_ms[number], passed_ms)
            self._away_ms[number] = away_ms
            if away_ms < times.RECOVER_MS or not proven_open:
                continue
            rule = row[4]
            again = self._reclosed < value[params.RECLOSE_TRIES] and away_ms >= value[params.RECLOSE_MS]
            if rule == faults.BY_RECLOSE and again and not unplugged and not ordered:
                tries = self._reclosed + 1  # one try, even when both outputs had tripped
                standing &= ~row[0]
            elif (
                rule == faults.BY_CAUSE
                or (unplugged and faults.BY_UNPLUG <= rule <= faults.BY_RECLOSE)
                or (ordered and faults.BY_REPLUG <= rule <= faults.BY_COMMAND)
            ):
                standing &= ~row[0]
        self._reclosed = tries
        return standing
