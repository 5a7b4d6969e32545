package file

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"cohort/engine/ledger"
)

// Acknowledgement is NHS Notify's answer to one upload, over MESH. The layout of its body is not
// published, so its headers count: mex-localid names the upload, and mex-subject begins with an
// HTTP status. The body can only make the answer unclear.
type Acknowledgement struct {
	Reference string // the upload's
	Code      string // of a refusal: upload_refused_, the status, and the service's code if the body has one
	Refused   bool   // the service took nothing of the upload; otherwise it took all of it
	SHA256    string // of the headers and the body
}

const acknowledgementWorkflow = meshWorkflow + "_ACK"

var serviceCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{1,40}$`)

var (
	notRefused   = []string{"duplicate", "already", "partial", "accepted"}
	notConfirmed = []string{"reject", "refus", "error", "fail", "partial"}
)

// ReadAcknowledgement reads an acknowledgement. path is the file that came, or its control file,
// which stands beside it under the same name with .ctl. Without a control file, path holds the
// headers as a JSON object. They have no body, and so can refuse nothing. An answer that leaves
// any doubt is an error, which names the file and repeats nothing of it.
func ReadAcknowledgement(path string) (*Acknowledgement, error) {
	h, control, body, err := readAcknowledged(path)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(h.Workflow, acknowledgementWorkflow) {
		return nil, fmt.Errorf("%s is not an acknowledgement: its workflow is not %s", path, acknowledgementWorkflow)
	}
	a := &Acknowledgement{Reference: h.LocalID, SHA256: fmt.Sprintf("%x", sha256.Sum256(slices.Concat(control, body)))}
	if doubt := a.decide(h.Subject, body, control == nil); doubt != "" {
		return nil, fmt.Errorf("%s neither confirms nor refuses an upload beyond doubt: %s; "+
			"a person must ask NHS Notify what became of the upload", path, doubt)
	}
	return a, nil
}

// readAcknowledged reads the headers, the control file and the body. control is nil when there is
// no control file.
func readAcknowledged(path string) (h Headers, control, body []byte, err error) {
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + controlExtension
	content := path
	if path == beside {
		content = strings.TrimSuffix(path, controlExtension) + (*Mesh)(nil).extension()
	}
	if body, err = os.ReadFile(content); err != nil {
		return h, nil, nil, err
	}
	control, err = os.ReadFile(beside)
	if errors.Is(err, fs.ErrNotExist) {
		if json.Unmarshal(body, &h) != nil || h.LocalID == "" {
			return h, nil, nil, fmt.Errorf("%s does not name its upload: there is no control file %s beside it; "+
				"put that file there, or name a JSON object with the headers mex-workflowid, mex-subject and mex-localid",
				path, filepath.Base(beside))
		}
		return h, nil, body, nil
	}
	var c controlFile
	if err == nil && xml.Unmarshal(control, &c) != nil {
		err = fmt.Errorf("%s is not a control file of MESH", beside)
	}
	return Headers{Workflow: c.WorkflowID, Subject: c.Subject, LocalID: c.LocalID}, control, body, err
}

// decide reads the verdict of an acknowledgement. doubt is the reason why it has none.
func (a *Acknowledgement) decide(subject string, body []byte, headersAlone bool) (doubt string) {
	digits := subject[:min(3, len(subject))]
	status, err := strconv.Atoi(digits)
	if err != nil || len(subject) > 3 && '0' <= subject[3] && subject[3] <= '9' {
		status = 0
	}
	in, strange := readBody(body, digits)
	text := strings.ToLower(subject + "\n" + string(body) + "\n" + strings.Join(in.words, "\n"))
	found := func(words []string) string {
		for _, word := range words {
			if strings.Contains(text, word) {
				return fmt.Sprintf("it has %q in its mex-subject or body", word)
			}
		}
		return ""
	}
	switch {
	case status >= 200 && status < 300:
		doubt = found(notConfirmed)
		switch {
		case doubt != "":
		case !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0:
			doubt = "its body is not text in UTF-8"
		case len(in.codes) > 0:
			doubt = "its body has a code, as errors have"
		}
	case slices.Contains([]int{400, 403, 404, 413}, status):
		if headersAlone {
			strange = "it is a refusal without its body, which may be about a duplicate " +
				"(name the file of the body, with its control file beside it)"
		}
		if doubt = cmp.Or(found(notRefused), strange); doubt == "" {
			a.Refused, a.Code = true, ledger.CodeUploadRefused+digits
			if len(in.codes) > 0 {
				a.Code += "_" + in.codes[0]
			}
		}
	default:
		doubt = "its mex-subject is neither 200 to 299 nor 400, 403, 404 or 413"
	}
	return doubt
}

// bodyWords holds the codes of a body, and every name and text in it.
type bodyWords struct{ codes, words []string }

// readBody reads a body, which must be empty or a JSON object. It looks at every name and value,
// repeated ones too. strange is the reason why the body is not understood.
func readBody(body []byte, status string) (found bodyWords, strange string) {
	if len(bytes.TrimSpace(body)) == 0 {
		return found, ""
	}
	if !json.Valid(body) || bytes.TrimSpace(body)[0] != '{' {
		return found, "its body is neither empty nor a JSON object"
	}
	var read func(name string, v gjson.Result)
	read = func(name string, v gjson.Result) {
		isCode, isStatus := strings.EqualFold(name, "code"), strings.EqualFold(name, "status")
		value := ""
		switch v.Type {
		case gjson.JSON:
			if isCode || isStatus {
				strange = "a code or status in its body is a list or an object"
			}
			v.ForEach(func(key, member gjson.Result) bool {
				found.words = append(found.words, key.Str)
				read(key.Str, member)
				return true
			})
			return
		case gjson.String:
			value = v.Str
			found.words = append(found.words, value)
		case gjson.Number:
			value = v.Raw
		}
		switch {
		case isCode:
			if !serviceCode.MatchString(value) {
				strange = "a code in its body is not one of the service's codes"
			}
			found.codes = append(found.codes, value)
		case isStatus && value != status:
			strange = "a status in its body differs from its mex-subject"
		case !isStatus && v.Type == gjson.Number:
			strange = "its body has a number, which may be about a part of the upload"
		}
	}
	read("", gjson.ParseBytes(body))
	return found, strange
}
