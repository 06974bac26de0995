"""The shipped passes and lowering rules of gmn-fx."""
