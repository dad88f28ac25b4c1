"""Ready-made teams of agents, applied like any user's own files: agents, tools, policies and a workflow."""
