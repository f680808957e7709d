"""What it means: costs, latency, sizing, break-even, uncertainty, the verdict.

Read ``study`` (what is asked), ``evaluate`` (one option at one size), ``sizing`` (the cheapest
size), ``breakeven`` and ``worlds`` (over volumes and uncertainty), ``verdict`` (the answer).
"""
