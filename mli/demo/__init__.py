"""``mli demo``: the demo models, their reference results, labels and photographs."""
