"""Money that comes in by a provider's page, a bank or over the counter, and goes back by the same way.

Its doors: `providers.Providers` (the ways to pay that the settings name), `begin` (a payment and its page), `receive` (what a
provider says), `by_hand` (bank and cash), `bank` (statements). `states.py` has the theory; `receive.py` is the one
place that turns a provider's word into money.
"""
