package summary

import (
	_ "embed" // the words
	"regexp"
	"strings"

	"cohort/cmd/internal/markup"
	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/report"
)

//go:embed words.txt
var wordsText string

// words are words for codes.
var words = func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(wordsText) {
		code, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all[code] = text
	}
	return all
}()

// plainCode is a code that may be shown. A text that somebody typed is not one.
var plainCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

// codeWords are words for a code of a campaign or a service.
func codeWords(code string) string {
	switch {
	case code == "":
		return "No reason given"
	case words[code] != "":
		return words[code]
	case strings.HasPrefix(code, ledger.CodeUploadRefused):
		return "The service refused the upload with it"
	case code == report.Rest || !plainCode.MatchString(code):
		return "Another one"
	case strings.ToLower(code) != code: // the service's own
		return code
	}
	return markup.Capital(strings.NewReplacer("_", " ", "-", " ").Replace(code))
}

func failureWords(f report.Failure) string {
	known, said := delivery.WordsFor(f.Code, ""), words[f.Supplier]
	switch {
	case said != "" && (known == "" || strings.HasSuffix(f.Code, "SUPE_0007")): // the supplier says more
		return channelWords(f.Channel) + ": " + said
	case known != "":
		return markup.Capital(known)
	}
	return codeWords(f.Code)
}

func channelWords(channel string) string {
	if channel == "" {
		return "Channel not known"
	}
	return codeWords(channel)
}

func progressWords(p report.Progress) string {
	switch {
	case p == report.Progress{}:
		return "No word at all since the service took it"
	case p.Status == delivery.NoSuch || p.Status == report.Rest:
		return codeWords(p.Status)
	case p.Channel != "":
		return "On its way: " + channelWords(p.Channel)
	case p.Failed:
		return "One channel failed, the next is due"
	}
	return "The service works on it"
}
