package campaign

import (
	"bytes"
	"cmp"
	"os"
	"unicode/utf8"
)

// NHSApp is the NHS App sink's part of the campaign file.
type NHSApp struct {
	Access
	ODSCode     string // of the organisation that people see as the sender
	ContentFile string // absolute: where Content was read from; empty: it is a push notification
	Content     string // of an in-app message: Markdown with ((column)) placeholders
	Reply       *Reply // the allowed reply to an in-app message; nil: none
	Push        *Push  // instead of an in-app message
	CampaignID  string
	OnBehalfOf  string // the organisation that an intermediary sends for; empty: none
}

// Push is a notification that is the same for everybody.
type Push struct {
	Display   string `yaml:"display"`
	Reference string `yaml:"reference"` // the address in the NHS App that it opens
}

// Reply is the allowed reply to an in-app message. The message has the question.
type Reply struct {
	Options []string // one of these; empty: any text
}

const (
	textReply   = "text"
	choiceReply = "choice"
)

func (l *loader) nhsapp(c *Campaign, s *nhsappSection, routed bool) {
	const at = "sink.nhsapp"
	n := &NHSApp{
		Access: l.access(at, s.Access), ODSCode: s.ODSCode, OnBehalfOf: s.OnBehalfOf,
		CampaignID: cmp.Or(s.CampaignID, c.Name),
	}
	if len(c.Personalisation) > 0 {
		l.wrong("personalisation", "is for NHS Notify; write the placeholders of an NHS App message in its content_file")
	}
	switch {
	case routed && s.InApp == nil && s.Push == nil: // every route has its own
	case (s.InApp == nil) == (s.Push == nil):
		l.wrong(at, "needs in_app or push, and not both")
	case s.Push != nil:
		n.Push = s.Push
	case s.InApp.ContentFile == "":
		l.wrong(at+".in_app.content_file", "is missing; it names the file that holds the message")
	default:
		n.ContentFile = l.absolute(s.InApp.ContentFile)
		n.Content = l.content(at+".in_app.content_file", at+".in_app.content", n.ContentFile)
		n.Reply = l.reply(at+".in_app.reply", s.InApp.Reply)
	}
	c.NHSApp = n
}

// reply reads the allowed reply. The sink checks the service's rules for options.
func (l *loader) reply(key string, s *replySection) *Reply {
	switch {
	case s == nil && !l.has(key):
		return nil
	case s == nil || s.Type != textReply && s.Type != choiceReply:
		l.wrong(key, "needs a type: text, or choice with options, such as {type: choice, options: [\"Yes\", \"No\"]}")
	case s.Type == choiceReply && len(s.Options) == 0:
		l.wrong(key, "of type choice needs options, such as [\"Yes\", \"No\"]")
	case s.Type == textReply && l.has(key+".options"):
		l.wrong(key+".options", "are for type choice; with type text people write what they like")
	default:
		return &Reply{Options: s.Options}
	}
	return nil
}

// words describes the reply in one line; empty without a reply.
func (r *Reply) words() string {
	switch {
	case r == nil:
		return ""
	case len(r.Options) == 0:
		return textReply
	}
	return choiceReply + ": " + list(r.Options)
}

// mostContentFile limits the file of a message, in bytes.
const mostContentFile = 1 << 20

// content reads the text of a message, without a byte order mark and final line breaks. frozen is its key in a plan.
func (l *loader) content(key, frozen, path string) string {
	if l.planned != nil {
		return l.planned[frozen]
	}
	text, err := os.ReadFile(path)
	text = bytes.TrimRight(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), "\r\n")
	switch {
	case err != nil:
		l.wrong(key, "cannot be read: %v", err)
	case len(text) > mostContentFile:
		l.wrong(key, "has %d bytes; a message may have %d", len(text), mostContentFile)
	case !utf8.Valid(text):
		l.wrong(key, "must be in UTF-8")
	case len(bytes.TrimSpace(text)) == 0:
		l.wrong(key, "names a file without text")
	}
	return string(text)
}
