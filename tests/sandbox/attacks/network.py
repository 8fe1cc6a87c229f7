"""Attacks over the network, and over sockets of every other kind."""

from tests.sandbox.attacks.attack import Attack

ATTACKS = (
    Attack(
        "connect-tcp",
        "reach a server of the host over loopback",
        """
import socket
socket.create_connection(("127.0.0.1", $port), timeout=3)
print("ESCAPED")
""",
    ),
    Attack(
        "fetch-http",
        "fetch a page with the standard library",
        """
import urllib.request
urllib.request.urlopen("http://127.0.0.1:$port", timeout=3)
print("ESCAPED")
""",
    ),
    Attack(
        "send-udp",
        "carry data out in a datagram, as to a name server",
        """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", ("127.0.0.1", $port))
print("ESCAPED")
""",
    ),
    Attack(
        "resolve-name",
        "resolve a name",
        """
import socket
print("ESCAPED", socket.getaddrinfo("localhost", 80))
""",
    ),
    Attack(
        "listen",
        "offer a server",
        """
import socket
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
print("ESCAPED")
""",
    ),
    Attack(
        "connect-abstract",
        "reach a socket of the host that has no file",
        r"""
import socket
socket.socket(socket.AF_UNIX).connect("\0$abstract")
print("ESCAPED")
""",
    ),
    Attack(
        "connect-unix",
        "reach a socket of the host by its path",
        """
import socket
socket.socket(socket.AF_UNIX).connect("$folder/socket")
print("ESCAPED")
""",
    ),
    Attack(
        "open-netlink",
        "talk to the kernel about its network",
        """
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
print("ESCAPED")
""",
    ),
    Attack(
        "open-packet",
        "read the packets on the wire",
        """
import socket
socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)
print("ESCAPED")
""",
        control="root",
    ),
    Attack(
        "open-any-socket",
        "open a socket of any family there is, the forgotten ones too",
        """
import socket
for family in range(46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
            print("ESCAPED", family, kind)
        except OSError:
            pass
""",
    ),
    Attack(
        "socket-pair",
        "pass descriptors over a pair of sockets",
        """
import socket
socket.socketpair()
print("ESCAPED")
""",
    ),
)
