"""
The program that runs inside a sandbox for a function in Python: it loads one version of one function and answers its
invocations. Descriptor 3 is the connection to the platform; `src/model/frames.ts` is what is said over it.

It promises what `runtimes/node/main.ts` promises: what the code prints belongs to the invocation that printed it; an
error ends its own invocation at once, with the author's line in the log; bodies stream both ways with bounded memory;
when the platform goes away, so does this process.

It is started as `python -I -S main.py`: nothing of the machine's own packages is visible, and modules are imported
only when something needs them, because each costs a cold start. It runs on Python 3.9 and later.

Deliberately absent: any protection against the author's code, which runs in this same process.
"""
import sys

# The folder of this file, only while the runtime's own package is loaded: the author's modules come first later.
sys.path.insert(0, __file__.rpartition("/")[0])
from _lambent import runtime  # noqa: E402

del sys.path[0]

if __name__ == "__main__":
    runtime.run()
