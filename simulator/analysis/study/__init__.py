"""The question: options, targets, traffic, the axis of a break-even, and the effort."""
