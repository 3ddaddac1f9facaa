"""The whole station with its car, meter and mains simulated, driven from outside: `pilotwire sim station`, `pilotwire sim car`."""
