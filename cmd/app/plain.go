package app

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// plain is s with all that is no printable character escaped: names from a stranger's file must not move the cursor, turn the
// text round, or make a line of their own.
func plain(s string) string { return escape(s, "") }

// escape is plain but for the characters in keep.
func escape(s, keep string) string {
	clean := func(r rune) bool { return strconv.IsPrint(r) || strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		case clean(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		s = s[n:]
	}
	return b.String()
}

// message is the text of an error for a terminal. It is one line, but for mistakes in a model, for errors that are
// several, and for what commands complain of, which have lines of their own.
func message(err error) string {
	if hasLines(err) {
		return escape(err.Error(), "\n\t")
	}
	return plain(err.Error())
}

// hasLines reports whether err is mistakes in a model, several errors, or what a command of the user's complained of.
func hasLines(err error) bool {
	var mistakes graph.Diags
	var complained complaintError
	return errors.As(err, &mistakes) || errors.As(err, &complained) || several(err)
}

// A complaintError is an error with what a command has written to its standard error, on lines of its own.
type complaintError struct{ error }

func (e complaintError) Unwrap() error { return e.error }

// several reports whether err is, or wraps, a list of errors.
func several(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if list, ok := err.(interface{ Unwrap() []error }); ok && len(list.Unwrap()) > 1 {
			return true
		}
	}
	return false
}
