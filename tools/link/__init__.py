"""`pilotwire link`: what can be done with a pilot link from outside, without a station."""
