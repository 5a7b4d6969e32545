package sinks

import (
	"context"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/sinks/file"
)

// Files is the service of a campaign that writes files.
type Files struct{ *file.Sink }

// Check checks that the files can be written.
func (f Files) Check(ctx context.Context) error {
	if err := f.Sink.Check(ctx); err != nil {
		return refusal.New("files_unwritable", "cause", err)
	}
	return nil
}

// In returns the same service with a folder to write to.
func (f Files) In(folder string) Files { return Files{f.Sink.In(folder)} }

// NewFiles makes the service of a campaign that writes files. It cannot write before In.
func NewFiles(c *campaign.Campaign, fields []string) (Files, error) {
	o := file.Options{Limits: file.Limits{Messages: c.File.MaxMessages, Bytes: c.File.MaxBytes}}
	var err error
	if c.File.Letters != nil {
		o.Layout, err = lettersOf(c, fields)
	} else {
		o.Layout, err = uploadOf(c, fields)
	}
	if err != nil {
		return Files{}, err
	}
	f := Files{file.New(o)}
	if f.Limits().Bytes < 1 {
		return Files{}, refusal.New("max_bytes_too_small", "cause", &campaign.FileError{File: c.Path, Problem: "max_bytes under sink.file has no room for more than the header line; raise it"})
	}
	return f, nil
}

func uploadOf(c *campaign.Campaign, fields []string) (file.Layout, error) {
	m := &file.Mesh{RoutingPlanID: c.File.Mesh.RoutingPlanID, From: c.File.Mesh.From, To: c.File.Mesh.To}
	for _, t := range c.Wording() {
		compiled, err := engine.CompileTemplate(t.Text, fields)
		if err != nil {
			return nil, refusal.New("text_unusable", "cause", c.Mistake(t.Key, "cannot be used: "+err.Error()))
		}
		m.Fields = append(m.Fields, file.Field{Name: t.Name, Text: compiled})
	}
	return m, nil
}

func lettersOf(c *campaign.Campaign, fields []string) (file.Layout, error) {
	l := &file.Letters{Format: file.Format(c.File.Letters.Format)}
	texts := c.Wording()
	for _, name := range c.File.Letters.Columns {
		text := ""
		if !file.IsOwnColumn(name) {
			text, texts = texts[0].Text, texts[1:]
		}
		column, err := file.NewColumn(name, text, fields)
		if err != nil {
			return nil, refusal.New("letter_columns_unusable", "cause", c.Mistake("sink.file.letters.columns", "cannot be used: "+err.Error()))
		}
		l.Columns = append(l.Columns, column)
	}
	return l, nil
}
