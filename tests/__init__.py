"""The tests of gmn-fx."""
