"""One run: a cloud, and the cores that are deployed to it and awaited."""
