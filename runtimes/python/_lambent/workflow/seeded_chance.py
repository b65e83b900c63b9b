"""What differs from run to run and must not: randomness, ids and tokens out of the execution's secret seed."""
from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import new as hmac

_MASK = 0xFFFF_FFFF


class SeededChance:
    """xoshiro128** by Blackman and Vigna (public domain), as in `runtimes/node/workflow/seeded-chance.ts`."""

    def __init__(self, seed):
        self._state = [int(seed[at : at + 8], 16) or at + 1 for at in (0, 8, 16, 24)]
        # The first numbers still look like the seed, which is a secret.
        for _ in range(20):
            self._next()

    def fraction(self):
        """Uniform in [0, 1), 53 bits."""
        high = self._next()
        return (high * 0x20_0000 + (self._next() >> 11)) / 2**53

    def uuid(self):
        digits = "".join(f"{self._next():08x}" for _ in range(4))
        variant = f"{8 + (int(digits[16], 16) & 3):x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def _next(self):
        s = self._state
        result = (_rotate((s[1] * 5) & _MASK, 7) * 9) & _MASK
        shifted = (s[1] << 9) & _MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = _rotate(s[3], 11)
        return result


def _rotate(value, by):
    return ((value << by) | (value >> (32 - by))) & _MASK


def callback_token(execution, op, seed):
    """As `callbackToken` of src/model/workflow-wire.ts."""
    proof = urlsafe_b64encode(hmac(seed.encode(), f"callback {op}".encode(), sha256).digest()).decode()[:22]
    return f"cb1_{execution}_{op}_{proof}"


def child_execution_id(op, at_ms, seed):
    """As `childExecutionId` of src/model/workflow-wire.ts."""
    digits = hmac(seed.encode(), f"child {op}".encode(), sha256).hexdigest()
    time = f"{int(at_ms):012x}"
    return f"{time[:8]}-{time[8:]}-7{digits[:3]}-8{digits[3:6]}-{digits[6:18]}"
