package file

import (
	"encoding/xml"
	"io"
)

// Headers are what MESH is told of a file. In the manifest they stand under the names
// that its API takes.
type Headers struct {
	From     string `json:"mex-from,omitempty"`
	To       string `json:"mex-to,omitempty"`
	Workflow string `json:"mex-workflowid"`
	Subject  string `json:"mex-subject"`
	LocalID  string `json:"mex-localid"`
}

// control is the file that the MESH client wants beside a data file, under its name with
// .ctl: the same headers in the client's own words. Compress asks the client to compress
// while it transfers, and AllowChunking to cut what is too large for one transfer.
type control struct {
	XMLName       xml.Name `xml:"DTSControl"`
	Version       string
	AddressType   string
	MessageType   string
	WorkflowID    string `xml:"WorkflowId"`
	To            string `xml:"To_DTS"`
	From          string `xml:"From_DTS"`
	Subject       string
	LocalID       string `xml:"LocalId"`
	Compress      string
	AllowChunking string
	Encrypted     string
}

const controlExtension = ".ctl"

// write writes the control file.
func (h *Headers) write(w io.Writer) error {
	text, err := xml.MarshalIndent(control{
		Version: "1.0", AddressType: "DTS", MessageType: "Data", WorkflowID: h.Workflow, To: h.To, From: h.From,
		Subject: h.Subject, LocalID: h.LocalID, Compress: "Y", AllowChunking: "Y", Encrypted: "N",
	}, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}
