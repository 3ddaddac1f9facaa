"""boards/sim/pilot_main.py with the pilot of tally.py in the place of its own; the same command line. MicroPython subset.

micropython -m pilotwire.tools.bench.link.tally_main WORLD_PORT [INDEX=VALUE ...]
"""

import sys

from pilotwire.boards.sim import parameters, pilot_main
from pilotwire.tools.bench.link.tally import TallyPilot

if __name__ == "__main__":
    pilot_main.Pilot = TallyPilot  # type: ignore[assignment, attr-defined]
    pilot_main.main(int(sys.argv[1]), parameters.parse(sys.argv[2:]))
