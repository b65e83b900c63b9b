package boot

// reader finds `env` in the JSON that the platform wrote. It stops at what it does not understand: the whole message
// is parsed again, and judged, by package instance.
type reader struct {
	text []byte
	at   int
}

// eachEnv calls back for each member of the object `env` at the top.
func (r *reader) eachEnv(set func(name, value string)) {
	r.eachMember(func(key string) bool {
		if key != "env" {
			return r.skip()
		}
		return r.eachMember(func(name string) bool {
			value, ok := r.string()
			if ok {
				set(name, value)
			}
			return ok
		})
	})
}

// eachMember reads an object; `value` reads what follows each key.
func (r *reader) eachMember(value func(key string) bool) bool {
	if !r.take('{') {
		return false
	}
	if r.take('}') {
		return true
	}
	for {
		key, ok := r.string()
		if !ok || !r.take(':') || !value(key) {
			return false
		}
		if r.take('}') {
			return true
		}
		if !r.take(',') {
			return false
		}
	}
}

// skip passes over one value.
func (r *reader) skip() bool {
	switch r.peek() {
	case '"':
		_, ok := r.string()
		return ok
	case '{':
		return r.eachMember(func(string) bool { return r.skip() })
	case '[':
		r.at++
		if r.take(']') {
			return true
		}
		for r.skip() {
			if r.take(']') {
				return true
			}
			if !r.take(',') {
				return false
			}
		}
		return false
	}
	start := r.at
	for r.at < len(r.text) && r.text[r.at] != ',' && r.text[r.at] != '}' && r.text[r.at] != ']' {
		r.at++
	}
	return r.at > start
}

func (r *reader) peek() byte {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\n', '\r', '\t':
			r.at++
			continue
		}
		return r.text[r.at]
	}
	return 0
}

func (r *reader) take(what byte) bool {
	if r.peek() != what {
		return false
	}
	r.at++
	return true
}

func (r *reader) string() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	var text []byte
	for r.at < len(r.text) {
		c := r.text[r.at]
		r.at++
		switch c {
		case '"':
			return string(text), true
		case '\\':
			rune, ok := r.escape()
			if !ok {
				return "", false
			}
			text = append(text, string(rune)...)
		default:
			text = append(text, c)
		}
	}
	return "", false
}

func (r *reader) escape() (rune, bool) {
	if r.at >= len(r.text) {
		return 0, false
	}
	c := r.text[r.at]
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		high, ok := r.hex4()
		if !ok || high < 0xd800 || high >= 0xdc00 {
			return high, ok
		}
		// The first half of a pair.
		if r.at+1 < len(r.text) && r.text[r.at] == '\\' && r.text[r.at+1] == 'u' {
			r.at += 2
			low, ok := r.hex4()
			return (high-0xd800)<<10 + (low - 0xdc00) + 0x10000, ok
		}
		return 0xfffd, true
	}
	return 0, false
}

func (r *reader) hex4() (rune, bool) {
	if r.at+4 > len(r.text) {
		return 0, false
	}
	var value rune
	for _, c := range r.text[r.at : r.at+4] {
		value <<= 4
		switch {
		case c >= '0' && c <= '9':
			value |= rune(c - '0')
		case c >= 'a' && c <= 'f':
			value |= rune(c-'a') + 10
		case c >= 'A' && c <= 'F':
			value |= rune(c-'A') + 10
		default:
			return 0, false
		}
	}
	r.at += 4
	return value, true
}
