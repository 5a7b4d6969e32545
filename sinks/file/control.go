package file

import (
	"encoding/xml"
	"io"
)

// Headers are the MESH headers of a file, under the names of the MESH API.
type Headers struct {
	From     string `json:"mex-from,omitempty"`
	To       string `json:"mex-to,omitempty"`
	Workflow string `json:"mex-workflowid"`
	Subject  string `json:"mex-subject"`
	LocalID  string `json:"mex-localid"`
}

// controlFile is the control file of the MESH client: the headers in the client's own words. It
// stands beside the data file, under the same name with .ctl. Compress asks the client to
// compress the transfer, and AllowChunking to split a file that is too large for one.
type controlFile struct {
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

func (h *Headers) write(w io.Writer) error {
	text, err := xml.MarshalIndent(controlFile{
		Version: "1.0", AddressType: "DTS", MessageType: "Data", WorkflowID: h.Workflow, To: h.To, From: h.From,
		Subject: h.Subject, LocalID: h.LocalID, Compress: "Y", AllowChunking: "Y", Encrypted: "N",
	}, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}
