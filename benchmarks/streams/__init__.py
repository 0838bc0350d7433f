"""Many streams at once, from agents to the sockets of clients: ours beside the naive build."""
