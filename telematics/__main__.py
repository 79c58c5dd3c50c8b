"""`python -m telematics`: the same as the command `telematics`."""

from telematics.cli import main

main()
