"""Lets the load box's program play the car of a simulated world: its relays become the world's car circuit and cable. Host only.

    world = World(car=PlayedCar())
    ...
    peer.exchange(sock, world)      # once per tick: what the box sees, then what its relays do

The world's own car only charges and is asked for nothing here: PlayedCar neither switches S2 nor draws current. What the circuit
does not know: RC and RD at once (RD counts), and a real relay's travel and bounce.
"""

from __future__ import annotations

import socket
import struct

from pilotwire.boards.loadbox_pico import commands, sim_signal, sim_wire
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.circuit import EvCircuit
from pilotwire.boards.sim.world import World

NO_RB_OHM = 1e9  # the relay of the B resistor is open
RB_OHM = 2740.0


class PlayedCar(Car):
    """A car whose circuit somebody else switches."""

    def step(self, duty: float | None, mains_v: float, live_phases: int = 3) -> None:
        """Do nothing: the relays are the car."""


def switch(circuit: EvCircuit, mask: int) -> None:
    """Set a car's pilot circuit as the relays do."""
    circuit.plugged = bool(mask & commands.PLUG)
    circuit.r_b_ohm = RB_OHM if mask & commands.RB else NO_RB_OHM
    circuit.s2_closed = bool(mask & (commands.RC | commands.RD))
    circuit.ventilation = bool(mask & commands.RD)
    circuit.diode = not mask & commands.NO_DIODE
    circuit.shorted = bool(mask & commands.SHORT)


def drive(world: World, mask: int, pp_ohm: int) -> None:
    """Set a world's car circuit and cable as the relays do. With a resistor at proximity there is a plug in the socket."""
    switch(world.car.circuit, mask)
    world.cable.left = pp_ohm != 0
    world.cable.lost = pp_ohm == 0
    if pp_ohm:
        world.cable.ohm = float(pp_ohm)


def seen(world: World) -> bytes:
    """The record of what the box sees at the car's end of the wire now."""
    duty = world.duty
    if world.outputs.cp_off:  # the station's relay has cut it off: nothing drives the wire
        return sim_signal.record(world.now_ms, 0, 0, 0.0)
    high_mv, low_mv = world.car.circuit.levels_mv(duty)
    return sim_signal.record(world.now_ms, high_mv, low_mv, duty)


def exchange(sock: socket.socket, world: World) -> None:
    """One tick with the box's program at the other end (sim_main.py); raises ConnectionError when it has gone."""
    sock.sendall(seen(world))
    reply = b""
    while len(reply) < sim_wire.TO_CIRCUIT_SIZE:
        more = sock.recv(sim_wire.TO_CIRCUIT_SIZE - len(reply))
        if not more:
            raise ConnectionError("the load box's program has ended")
        reply += more
    _, mask, pp_ohm = struct.unpack(sim_wire.TO_CIRCUIT, reply)
    drive(world, mask, pp_ohm)
