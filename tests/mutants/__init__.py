"""Mutation gate: change the code in one place, run the tests that reach it, and demand that one of them fails."""
