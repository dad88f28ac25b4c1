"""REST v1: everything that a person sees or does is a route here.

`create_app` builds the application over a control plane; the command line speaks to it in process or over the network.
`remit.api.serve` runs it with the embedded driver on one address, until it is told to end; it stands apart because the
commands that open the home in process have no use for a web server.
"""

from remit.api.app import create_app

__all__ = ["create_app"]
