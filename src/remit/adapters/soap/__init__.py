"""Tools of a SOAP service, by its WSDL.

The WSDL and all that it imports are fetched from its own host or folder before anything reads them; the parser reaches
nothing. Requests go out over the source's one way. Importing this folder does not import the parser.
"""

from remit.adapters.soap.transport import SoapTransport

__all__ = ["SoapTransport"]
