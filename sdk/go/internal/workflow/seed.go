package workflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
)

// chance is randomness that is the same at each replay: xoshiro128** by Blackman and Vigna (public domain) over the
// execution's seed, as in runtimes/node/workflow/seeded-chance.ts.
type chance struct{ state [4]uint32 }

func newChance(seed string) *chance {
	c := &chance{}
	for i := range c.state {
		part, _ := strconv.ParseUint(seed[i*8:i*8+8], 16, 32)
		c.state[i] = uint32(part)
		if part == 0 {
			c.state[i] = uint32(i*8 + 1)
		}
	}
	// The first numbers still look like the seed, which is a secret.
	for i := 0; i < 20; i++ {
		c.next()
	}
	return c
}

func (c *chance) next() uint32 {
	s := &c.state
	result := bits.RotateLeft32(s[1]*5, 7) * 9
	shifted := s[1] << 9
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= shifted
	s[3] = bits.RotateLeft32(s[3], 11)
	return result
}

// fraction is uniform in [0, 1), 53 bits.
func (c *chance) fraction() float64 {
	high := uint64(c.next())
	return float64(high*0x20_0000+uint64(c.next()>>11)) / (1 << 53)
}

func (c *chance) uuid() string {
	digits := fmt.Sprintf("%08x%08x%08x%08x", c.next(), c.next(), c.next(), c.next())
	variant, _ := strconv.ParseUint(digits[16:17], 16, 8)
	return fmt.Sprintf("%s-%s-4%s-%x%s-%s", digits[:8], digits[8:12], digits[13:16], 8+variant&3, digits[17:20], digits[20:])
}

func sealed(seed, text string) []byte {
	mac := hmac.New(sha256.New, []byte(seed))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// callbackToken is that of src/model/workflow-wire.ts.
func callbackToken(execution string, op int, seed string) string {
	proof := base64.RawURLEncoding.EncodeToString(sealed(seed, fmt.Sprintf("callback %d", op)))[:22]
	return fmt.Sprintf("cb1_%s_%d_%s", execution, op, proof)
}

// childExecutionID is that of src/model/workflow-wire.ts.
func childExecutionID(op int, atMS float64, seed string) string {
	digits := hex.EncodeToString(sealed(seed, fmt.Sprintf("child %d", op)))
	time := fmt.Sprintf("%012x", int64(atMS))
	return fmt.Sprintf("%s-%s-7%s-8%s-%s", time[:8], time[8:], digits[:3], digits[3:6], digits[6:18])
}
