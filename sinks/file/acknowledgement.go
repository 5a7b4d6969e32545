package file

import (
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

	"cohort/engine"
)

// Acknowledgement is what NHS Notify says of one upload, over MESH. The layout of its body is
// not published, so its headers alone count: mex-localid names the upload, and mex-subject
// begins with a status, as HTTP has them.
type Acknowledgement struct {
	Reference string // the upload's
	Code      string // of a refusal: upload_refused_ and the status, and the service's code if the body has one
	Refused   bool   // nothing of the upload was taken; else all of it is being worked on
	SHA256    string // of what was read
}

const acknowledgementWorkflow = meshWorkflow + "_ACK"

var serviceCode = regexp.MustCompile(`"code"\s*:\s*"([A-Z][A-Z0-9_]{1,40})"`)

// ReadAcknowledgement reads an acknowledgement: path is the file that came, its control file
// beside it under the same name with .ctl, or, where there is none, the headers as a JSON object.
// What cannot be understood beyond doubt is an error, which names the file and holds nothing of it.
func ReadAcknowledgement(path string) (*Acknowledgement, error) {
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + controlExtension
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
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
	code := serviceCode.FindSubmatch(body)
	switch {
	case status >= 200 && status < 300 && code == nil:
		return a, nil
	case slices.Contains([]int{400, 403, 404, 413}, status) && (code == nil || !strings.Contains(string(code[1]), "DUPLICATE")):
		a.Refused, a.Code = true, engine.CodeUploadRefused+digits
		if code != nil {
			a.Code += "_" + string(code[1])
		}
		return a, nil
	}
	return nil, fmt.Errorf("%s neither confirms nor refuses an upload beyond doubt: a confirmation has a mex-subject of 200 to 299, "+
		"and a refusal one of 400, 403, 404 or 413 that is not about a duplicate; ask NHS Notify what became of the upload", path)
}
