"""Attacks of one call on the next: what the first leaves must not be there for the second."""

from tests.sandbox.attacks.attack import Attack

ATTACKS = (
    Attack(
        "leave-variable",
        "leave a value where the next program finds it",
        "import builtins; builtins.planted = 1",
        then="import builtins\nif hasattr(builtins, 'planted'): print('ESCAPED')",
    ),
    Attack(
        "change-library",
        "change a function that the next program calls",
        "import math; math.sqrt = lambda x: 4",
        then="import math\nif math.sqrt(9) == 4: print('ESCAPED')",
    ),
    Attack(
        "change-numpy",
        "change what NumPy computes for the next program",
        "import numpy; numpy.add = numpy.subtract",
        then="import numpy\nif numpy.add(1, 1) == 0: print('ESCAPED')",
    ),
    Attack(
        "change-pillow",
        "change what Pillow does for the next program",
        "from PIL import Image; Image.Image.resize = lambda *a, **k: 'mine'",
        then="from PIL import Image\nif Image.new('L', (2, 2)).resize((1, 1)) == 'mine': print('ESCAPED')",
    ),
    Attack(
        "leave-module",
        "put a module of one's own in the place of another",
        "import sys, types; sys.modules['csv'] = types.ModuleType('planted')",
        then="import csv\nif csv.__name__ == 'planted': print('ESCAPED')",
    ),
    Attack(
        "leave-finder",
        "answer the imports of the next program",
        "import sys; sys.meta_path.insert(0, sys); sys.path.insert(0, 'planted')",
        then="import sys\nif sys in sys.meta_path or 'planted' in sys.path: print('ESCAPED')",
    ),
    Attack(
        "leave-file",
        "leave a file in the temporary folder",
        "import tempfile; open(tempfile.gettempdir() + '/evolens-left', 'w').write('x')",
        then="import os, tempfile\nname = tempfile.gettempdir() + '/evolens-left'\n"
        "if os.path.exists(name): print('ESCAPED'); os.unlink(name)",
    ),
    Attack(
        "leave-environment",
        "leave a variable in the environment",
        "import os; os.environ['PLANTED'] = '1'",
        then="import os\nif 'PLANTED' in os.environ: print('ESCAPED')",
    ),
    Attack(
        "leave-folder",
        "leave the next program in another folder",
        "import os; os.chdir('/')",
        then="import os\nif os.getcwd() == '/': print('ESCAPED')",
    ),
    Attack(
        "leave-mask",
        "leave files that the next program cannot read",
        "import os; os.umask(0o777)",
        then="import os\nif os.umask(0) == 0o777: print('ESCAPED')",
    ),
    Attack(
        "leave-signal",
        "leave an alarm that ends the next program",
        "import signal; signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.alarm(50)",
        then="import signal\nif signal.alarm(0) or signal.getsignal(signal.SIGUSR1): print('ESCAPED')",
    ),
    Attack(
        "leave-thread",
        "leave a thread that works on while the next program runs",
        "import threading, time; threading.Thread(target=time.sleep, args=(20,), daemon=True, name='planted').start()",
        then="import threading\nif 'planted' in [t.name for t in threading.enumerate()]: print('ESCAPED')",
    ),
    Attack(
        "leave-trace",
        "watch the next program line by line",
        "import sys; sys.setprofile(lambda *a: None)",
        then="import sys\nif sys.getprofile(): print('ESCAPED')",
    ),
    Attack(
        "leave-output",
        "take the place of the next program's output",
        "import sys, io; sys.stderr = io.StringIO()",
        then="import sys, io\nif type(sys.stderr) is io.StringIO: print('ESCAPED')",
    ),
    Attack(
        "leave-random-state",
        "know beforehand what the next program draws",
        "import random; random.seed(77)",
        then="import random\nif random.random() == random.Random(77).random(): print('ESCAPED')",
    ),
    Attack(
        "leave-descriptor",
        "leave an open file for the next program",
        "import os; os.dup2(os.pipe()[0], 50)",
        then="import os\ntry: os.fstat(50); print('ESCAPED')\nexcept OSError: pass",
    ),
    Attack(
        "leave-limits",
        "leave the next program less than it may use",
        "import sys; sys.setrecursionlimit(60)",
        then="import sys\nif sys.getrecursionlimit() == 60: print('ESCAPED')",
    ),
    Attack(
        "read-pictures-before",
        "read what the call before was given",
        "import builtins; builtins.kept = b'secret picture'",
        then="import gc\nif any(type(o) is dict and o.get('kept') == b'secret picture' for o in gc.get_objects()):"
        " print('ESCAPED')",
    ),
)
