"""`python -m remit`: the command line."""

from remit.cli.main import main

main()
