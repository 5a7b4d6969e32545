package file

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cohort/engine/ledger"
)

// Acknowledgement is what NHS Notify says of one upload, over MESH. The layout of its body is
// not published, so its headers count: mex-localid names the upload, and mex-subject begins with
// a status, as HTTP has them. The body can only make it unclear.
type Acknowledgement struct {
	Reference string // the upload's
	Code      string // of a refusal: upload_refused_ and the status, and the service's code if the body has one
	Refused   bool   // nothing of the upload was taken; else all of it is being worked on
	SHA256    string // of what was read
}

const acknowledgementWorkflow = meshWorkflow + "_ACK"

var serviceCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,40}$`)

var (
	notRefused   = []string{"duplicate", "already", "partial", "accepted"}
	notConfirmed = []string{"reject", "refus", "error", "fail", "partial"}
)

// ReadAcknowledgement reads an acknowledgement: path is the file that came, its control file
// beside it under the same name with .ctl (either may be named), or, where there is none, the headers
// as a JSON object, which have no body and so can refuse nothing.
// What cannot be understood beyond doubt is an error, which names the file and holds nothing of it.
func ReadAcknowledgement(path string) (*Acknowledgement, error) {
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + controlExtension
	content := path
	if path == beside {
		content = strings.TrimSuffix(path, controlExtension) + (*Mesh)(nil).extension()
	}
	body, err := os.ReadFile(content)
	if err != nil {
		return nil, err
	}
	headersAlone := false
	var h Headers
	headers, err := os.ReadFile(beside)
	var c control
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if json.Unmarshal(body, &h) != nil || h.LocalID == "" {
			return nil, fmt.Errorf("%s does not say which upload it is about: there is no control file %s beside it; "+
				"put that there, or name a JSON object with its headers mex-workflowid, mex-subject and mex-localid",
				path, filepath.Base(beside))
		}
		headersAlone = true
	case err != nil:
		return nil, err
	case xml.Unmarshal(headers, &c) != nil:
		return nil, fmt.Errorf("%s is no control file of MESH", beside)
	default:
		h = Headers{Workflow: c.WorkflowID, Subject: c.Subject, LocalID: c.LocalID}
	}
	if !strings.HasSuffix(h.Workflow, acknowledgementWorkflow) {
		return nil, fmt.Errorf("%s is no acknowledgement: its workflow is not %s", path, acknowledgementWorkflow)
	}
	digits := h.Subject[:min(3, len(h.Subject))]
	status, err := strconv.Atoi(digits)
	if err != nil || len(h.Subject) > 3 && '0' <= h.Subject[3] && h.Subject[3] <= '9' {
		status = 0
	}
	a := &Acknowledgement{
		Reference: h.LocalID, SHA256: fmt.Sprintf("%x", sha256.Sum256(slices.Concat(headers, body))),
	}
	said, strange := readBody(body, digits)
	text := strings.ToLower(h.Subject + "\n" + string(body) + "\n" + strings.Join(said.words, "\n"))
	found := func(words []string) string {
		for _, word := range words {
			if strings.Contains(text, word) {
				return fmt.Sprintf("it has %q in its mex-subject or body", word)
			}
		}
		return ""
	}
	var why string
	switch {
	case status >= 200 && status < 300:
		if why = found(notConfirmed); why == "" && len(body) > 0 && (!utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0) {
			why = "its body is no text in UTF-8"
		}
		if why == "" && len(said.codes) > 0 {
			why = "its body has a code, as errors have"
		}
	case slices.Contains([]int{400, 403, 404, 413}, status):
		if headersAlone {
			strange = "it is a refusal without its body, which may tell of a duplicate (name the body's file, with a control file beside it)"
		}
		if why = cmp.Or(found(notRefused), strange); why == "" {
			a.Refused, a.Code = true, ledger.CodeUploadRefused+digits
			if len(said.codes) > 0 {
				a.Code += "_" + said.codes[0]
			}
		}
	default:
		why = "its mex-subject is neither 200 to 299 nor 400, 403, 404 or 413"
	}
	if why != "" {
		return nil, fmt.Errorf("%s neither confirms nor refuses an upload beyond doubt: %s; "+
			"a person must ask NHS Notify what became of the upload", path, why)
	}
	return a, nil
}

// bodySaid is what the body of an acknowledgement says: codes are the values of its "code"s.
type bodySaid struct{ codes, words []string }

// readBody reads a body, which is nothing or a JSON object. strange says why it is not understood;
// what of it was understood is there all the same. Every name and value is looked at, those
// that come twice too.
func readBody(body []byte, status string) (said bodySaid, strange string) {
	if len(bytes.TrimSpace(body)) == 0 {
		return said, ""
	}
	if !json.Valid(body) || bytes.TrimSpace(body)[0] != '{' {
		return said, "its body is neither empty nor a JSON object"
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var open []json.Delim
	name, isName := "", false // isName: a name comes next, if anything does
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return said, strange
		}
		if err != nil {
			return said, "its body is neither empty nor a JSON object"
		}
		value, isNumber := "", false
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				if strings.EqualFold(name, "code") || strings.EqualFold(name, "status") {
					strange = "a code or status in its body is no plain value"
				}
				open = append(open, t)
				name = ""
			} else {
				open = open[:len(open)-1]
			}
			isName = len(open) > 0 && open[len(open)-1] == '{'
			continue
		case string:
			value = t
			said.words = append(said.words, t)
			if isName {
				name, isName = t, false
				continue
			}
		case json.Number:
			value, isNumber = t.String(), true
		}
		switch {
		case strings.EqualFold(name, "code"):
			if !serviceCode.MatchString(value) {
				strange = "a code in its body is none that the service has"
			}
			said.codes = append(said.codes, value)
		case strings.EqualFold(name, "status"):
			if value != status {
				strange = "a status in its body is another one than its mex-subject's"
			}
		case isNumber:
			strange = "its body has a number, which may tell of a part of the upload"
		}
		isName = open[len(open)-1] == '{'
	}
}
