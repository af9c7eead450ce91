"""The client without its sockets: questions and answers as octets, attempts, what is remembered.

Nothing here opens a socket or reads a clock: octets and times come as arguments. The drivers are in
`resolver.client`.
"""
