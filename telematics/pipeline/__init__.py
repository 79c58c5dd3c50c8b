"""From decoded columns to stored positions, events and the state of every device.

`Stages.run` (stages.py) is the pure part: columns and state in, rows and events out. `Worker` (worker.py) is the loop around it:
take a batch from the intake, decode, run the stages, commit, acknowledge, tell the live bus.
"""
