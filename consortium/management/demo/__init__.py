"""The demonstration: a small consortium on this machine, run by `supervisor`, told by `walkthrough`."""
