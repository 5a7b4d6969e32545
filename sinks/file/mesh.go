package file

import (
	"cohort/engine"
	"cohort/ingest/person"
)

// The limits of one upload: messages, and bytes (less than 2 GB).
const (
	MostMeshMessages = 6_000_000
	MostMeshBytes    = 2_000_000_000 - 1
)

// Field is one field of a file.
type Field struct {
	Name string
	Text engine.Template
}

// Mesh is the upload that NHS Notify takes over MESH, one row a message:
//
//	messageReference,nhsNumber,personalisation_<name>,…
type Mesh struct {
	RoutingPlanID string
	From, To      string // mailboxes, for the control file
	Fields        []Field
}

func (m *Mesh) header() []byte {
	h := []byte("messageReference,nhsNumber")
	for _, f := range m.Fields {
		h = append(h, ',')
		h = quoted(append(h, "personalisation_"+f.Name...), len(h))
	}
	return append(h, lineEnd...)
}

func (m *Mesh) appendRow(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	dst = append(append(dst, message[:]...), ',')
	dst = p.Number.AppendDigits(dst)
	for i := range m.Fields {
		dst = append(dst, ',')
		dst = quoted(m.Fields[i].Text.AppendText(dst, p.Fields), len(dst))
	}
	return append(dst, lineEnd...)
}

// extension is the one that the MESH client expects.
func (m *Mesh) extension() string { return ".dat" }

// meshWorkflow is the workflow of NHS Notify's uploads.
const meshWorkflow = "NHS_NOTIFY_SEND_REQUEST"

func (m *Mesh) headers(reference engine.Reference) *Headers {
	return &Headers{Workflow: meshWorkflow, Subject: m.RoutingPlanID, LocalID: reference.String(), From: m.From, To: m.To}
}
