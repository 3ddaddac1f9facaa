"""The chapter of the report on the station's priority: what the figures say, and what is proposed."""

from __future__ import annotations

from pilotwire.protocols.link.messages import PERIOD_MS
from pilotwire.tools.bench.link.measure import NORMAL, Results
from pilotwire.tools.bench.link.samples import Renewal, duration, percentile
from pilotwire.tools.bench.link.station_main import TTL_MS

CHAPTER = """
## Priority of the station

{found}

Proposed for the station's unit, the names as recalled from systemd's manual:

```ini
[Service]
Nice=-10
CPUWeight=1000
# Where other software on the board may run at raised priority too:
# CPUSchedulingPolicy=rr
# CPUSchedulingPriority=1
# CPUSchedulingResetOnFork=yes
```

* `Nice=` counts against processes of the same control group or session only; between services it is `CPUWeight=`.
* SCHED_RR goes before every process that is not real-time itself. The port to the pilot lives on the station's one event
  loop, so that the whole process gets it, and a loop in it that never ends would keep a core. The operating system leaves
  a part of the time to the others (`kernel.sched_rt_runtime_us`), and the lease ends all the same, because nobody answers
  STATE any more. The pilot of a board without a microcontroller needs a higher priority than the station.
* Nothing of this helps when the event loop itself is kept waiting, by a disk for example. That is what the lease's time
  to live is for: {ttl_ms} ms are {periods} STATEs.
* In AC a lease that is lost is an interruption, not a danger: the car is told to stop, and the pilot opens the contacts.
"""


def chapter(results: Results) -> str:
    """The chapter, its first paragraph from the figures."""
    return CHAPTER.format(found=found(results), ttl_ms=TTL_MS, periods=TTL_MS // PERIOD_MS)


def found(results: Results) -> str:
    """What was lost at normal priority and at raised ones, and the longest waits."""
    normal = [each for each in results.renewals if each.name == NORMAL]
    raised = [each for each in results.renewals if each.name not in (NORMAL, results.renewals[0].name)]
    sentences = [_sentence(each) for each in (*normal, *raised)]
    if normal and normal[0].holds:
        sentences += ["On this machine and under this load, normal priority is enough; a higher one is a reserve."]
    elif normal and any(each.holds for each in raised):
        sentences += ["Normal priority is not enough on this machine under this load."]
    return "\n".join(f"* {sentence}" for sentence in sentences)


def _sentence(each: Renewal) -> str:
    name = each.name[0].upper() + each.name[1:]
    ages_ms = [gap.age_ms for gap in each.gaps]
    text = f"{name}: {each.lost or 'no'} lease{'' if each.lost <= 1 else 's'} lost in {duration(each.seconds)}"
    if not ages_ms:
        return f"{text}, none renewed."
    worst = f"{percentile(ages_ms, 99):.0f} ms in 99 % of the cases, at most {max(ages_ms)} ms"
    return f"{text}; a STATE was answered within {worst}; the smallest rest of a lease was {each.least_left_ms} ms."
