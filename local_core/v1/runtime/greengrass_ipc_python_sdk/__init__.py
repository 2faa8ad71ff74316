"""How a function talks to the core that runs it."""
