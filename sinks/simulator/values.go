package simulator

import (
	"strings"
	"unicode"
)

// validNHSNumber is modulus 11. Ten equal digits that sum right are let through,
// as the live gateway does.
func validNHSNumber(s string) bool {
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 10 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		if i < 9 {
			sum += int(s[i]-'0') * (10 - i)
		}
	}
	return (11-sum%11)%11 == int(s[9]-'0')
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
				return false
			}
		}
	}
	return true
}

// notBlank trims as JavaScript does: U+FEFF is space to it and U+0085 is not.
func notBlank(s string) bool {
	return strings.TrimFunc(s, func(r rune) bool {
		return r == '\uFEFF' || r != '\u0085' && unicode.IsSpace(r)
	}) != ""
}

// inherited names what every JavaScript object already has. The gateway keeps
// the references it has seen in a plain object, so these look seen at first use.
func inherited(reference string) bool {
	switch reference {
	case "constructor", "toString", "__proto__", "toLocaleString", "valueOf", "hasOwnProperty",
		"isPrototypeOf", "propertyIsEnumerable", "__defineGetter__", "__defineSetter__",
		"__lookupGetter__", "__lookupSetter__":
		return true
	}
	return false
}
