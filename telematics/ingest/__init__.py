"""Where trackers' bytes come in. The door is `listeners.Listeners`: it opens the ports and hands frames to `batch.Intake`.

```
port ─ entrance (PROXY header, TLS) ─ connection.Tracker ─┐
port ────────────────────────────────  connection.Tracker ─┼─ Session ─ frames ─ batch.Intake ─ … commit … ─ acknowledge
port (UDP) ──────────────────────────  datagram.Datagrams ─┘
```
`crowd.Crowd` knows who is connected and keeps limits, timeouts and back-pressure; `metrics.IngestMetrics` counts.
"""
