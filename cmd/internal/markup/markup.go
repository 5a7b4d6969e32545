// Package markup has what all pages of cohort share: numbers in words, tables, bars, and the style. A page needs no
// other file, and its policy names the only style and the only script that a browser may use.
package markup

import (
	"crypto/sha256"
	_ "embed" // the templates and the style
	"encoding/base64"
	"html/template"
)

//go:embed markup.html
var templates string

// Style is the style of all pages. A page adds its own.
//
//go:embed markup.css
var Style string

// New parses a page. It may use the templates of this package, and the functions with the words.
func New(name, text string, funcs template.FuncMap) *template.Template {
	return template.Must(template.Must(template.New(name).Funcs(template.FuncMap{
		"number": Number, "share": Share, "plural": Plural, "span": Span, "table": NewTable, "plain": Plain, "bars": Bars,
		"list": func(texts ...string) []string { return texts },
	}).Funcs(funcs).Parse(templates)).Parse(text))
}

// Source names a style or a script in a content security policy.
func Source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
