"""The parts of ``decide``: pure functions over a draft of the next state."""
