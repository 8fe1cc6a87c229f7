"""Attacks on the way back: forged accounts, pickles, false reasons, lies about how the call ended.

Inside, descriptor 4 is the file that a call's account goes into. Without the sandbox the same file is read with
`pickle`, as other sandboxes of this kind read theirs.
"""

from pipelines.sandbox import Limits
from tests.sandbox.attacks.attack import Attack

FORGE = """
import json, os, struct
def forge(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    os.write(4, struct.pack(">I", len(text)) + text + body)
    os._exit(0)
"""


def forged(name: str, tries: str, line: str) -> Attack:
    return Attack(name, tries, FORGE + line, ends=("malformed",), control="nobody: only the sandbox has this channel")


ATTACKS = (
    Attack(
        "pickle-in-account",
        "have the host unpickle what runs a command",
        """
import os, pickle
class Bomb:
    def __reduce__(self):
        return open, ("$folder/pickled", "w")
os.write(4, pickle.dumps(Bomb()))
raise SystemExit
""",
        ends=("malformed",),
    ),
    forged("empty-account", "end well without an account", "os._exit(0)"),
    forged("no-frame", "leave bytes that are no frame", 'os.write(4, b"no"); os._exit(0)'),
    forged("endless-header", "announce a header of four gigabytes", r'os.write(4, b"\xff\xff\xff\xff{}"); os._exit(0)'),
    forged("deep-header", "exhaust the host's parser", 'forge(b"[" * 60_000)'),
    forged(
        "long-number",
        "exhaust the host's parser with a number",
        'forge(b\'{"images": [[1\' + b"0" * 60_000 + b", 1]]}")',
    ),
    forged("header-of-another-kind", "leave a list where an object belongs", "forge([])"),
    forged(
        "picture-of-no-size",
        "announce a picture of negative size",
        'forge({"images": [[-8, -8]], "error": None}, bytes(192))',
    ),
    forged(
        "picture-of-false-size",
        "announce more pixels than come",
        'forge({"images": [[2000, 2000]], "error": None}, b"x")',
    ),
    forged(
        "picture-of-true-size",
        "announce a size that is a truth",
        'forge({"images": [[True, True]], "error": None}, b"xxx")',
    ),
    forged(
        "picture-of-text-size", "announce a size that is a text", 'forge({"images": ["99"], "error": None}, bytes(243))'
    ),
    forged(
        "pictures-past-the-room",
        "return more pictures than may be",
        'forge({"images": [[1, 1]] * 1000, "error": None}, bytes(3000))',
    ),
    forged(
        "pixels-past-the-room",
        "return more pixels than may be",
        """
import os
os.ftruncate(4, 30_000_000)
forge({"images": [[4000, 2400]], "error": None})
""",
    ),
    forged("account-and-more", "hide bytes behind the account", 'forge({"images": [], "error": None}, b"more")'),
    forged(
        "false-reason",
        "claim an ending that only the host can see",
        'forge({"images": [], "error": ["lost", "try again"]})',
    ),
    forged("reason-of-a-list", "claim a reason that is no text", 'forge({"images": [], "error": ["exception", [1]]})'),
    forged("long-reason", "drown the host in a reason", 'forge({"images": [], "error": ["exception", "x" * 50_000]})'),
    forged(
        "more-in-the-header",
        "give the host fields it did not ask for",
        'forge({"images": [], "error": None, "status": 0})',
    ),
    Attack(
        "grow-account",
        "leave an account larger than memory",
        """
import os
os.ftruncate(4, 1 << 38)
print("ESCAPED")
""",
        control="nobody: only the sandbox has this channel",
    ),
    Attack(
        "replace-account-code",
        "change the code that writes the account",
        """
import pipelines.sandbox.wire as wire
wire.answer = lambda answer: [b"anything"]
""",
        ends=("malformed",),
        control="nobody: only the sandbox has this channel",
    ),
    Attack(
        "two-accounts",
        "write an account before the honest one",
        FORGE
        + """
os._exit = lambda status: None
forge({"images": [], "error": None})
""",
        ends=("malformed", "crashed"),
        control="nobody: only the sandbox has this channel",
    ),
    Attack(
        "false-status",
        "end with the status of success while the work is not done",
        """
import os
os._exit(0)
""",
        ends=("malformed",),
        control="nobody: only the sandbox has this channel",
    ),
    Attack(
        "status-of-the-sandbox",
        "end with the status of a sandbox that failed",
        """
import os
os._exit(70)
""",
        ends=("crashed",),
        control="nobody: only the sandbox has this channel",
    ),
    Attack(
        "error-that-never-ends",
        "raise an error that takes forever to print",
        """
class Forever(Exception):
    def __str__(self):
        while True:
            pass
raise Forever
""",
        limits=Limits(wall=0.6),
        ends=("time",),
        sign="endless",
    ),
    Attack(
        "error-that-raises",
        "raise an error that cannot be printed",
        """
class Worse(Exception):
    def __str__(self):
        raise Worse
raise Worse
""",
        ends=("exception",),
        sign="crash",
    ),
    Attack(
        "error-of-no-characters",
        "raise an error whose text is no text",
        r"""
raise ValueError("\ud800\x00")
""",
        ends=("exception",),
        sign="crash",
    ),
    Attack(
        "output-of-no-characters",
        "print bytes that are no text",
        r"""
import os
os.write(1, bytes(range(256)))
""",
        control="nobody: it attacks whoever reads the output",
    ),
    Attack(
        "picture-of-another-class",
        "show what only looks like a picture",
        """
from PIL import Image
class False_(Image.Image):
    mode = "RGB"
    width = height = 10
    def tobytes(self):
        return b"short"
show(False_())
""",
        ends=("malformed", "exception"),
        control="nobody: only the sandbox has this channel",
    ),
)
