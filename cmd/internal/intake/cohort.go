package intake

import (
	"cmp"
	"context"
	"slices"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/value"
	"cohort/shard"
	"cohort/sinks"
	"cohort/sinks/notify"
)

// Open opens the files of the cohort as the campaign file describes them. If the campaign file
// names no personalisation, it takes over that of an upload file for NHS Notify.
func (r *Reading) Open(ctx context.Context) (err error) {
	c, own := r.Campaign, mayBring(r.Campaign)
	if r.Fields, err = sinks.FieldsOf(c); err != nil {
		return err
	}
	if r.carry, err = FollowUpColumns(c); err != nil {
		return err
	}
	if err := typedDefaults(c); err != nil {
		return err
	}
	if err := c.CheckNames(); err != nil {
		return refusal.New("fields_refused", "cause", err)
	}
	if !own {
		if err := usedDefaults(c, r.Fields); err != nil {
			return err
		}
	}
	if err := r.openFiles(ctx); err != nil {
		return err
	}
	if err := c.CheckWords(r.Reader.Columns()); err != nil {
		return refusal.New("content_words_refused", "cause", err)
	}
	if !own {
		return nil
	}
	brought, _, err := r.Reader.Mesh()
	if err != nil {
		return refusal.New("upload_unreadable", "cause", err)
	}
	if err := usedDefaults(c, slices.Concat(r.Fields, brought)); err != nil {
		return err
	}
	if len(brought) > 0 {
		if err := r.bring(ctx, brought); err != nil {
			return err
		}
	}
	if err := cmp.Or(c.CheckFields(), c.CheckNames()); err != nil {
		return refusal.New("fields_refused", "cause", err)
	}
	return nil
}

// bring opens the files again, with the personalisation that an upload file brings.
func (r *Reading) bring(ctx context.Context, brought []string) error {
	c, example := r.Campaign, "such as "+brought[0]+": \"(("+brought[0]+"))\""
	if c.Reach != nil {
		return refusal.New("reach_with_upload_fields", "cause", c.Mistake("reach", "needs personalisation named in the campaign file, and the upload file brings its own; name it in the campaign file too, "+example))
	}
	if texts := textsOf(c); len(texts) > 0 {
		return refusal.New("texts_with_upload_fields", "cause", c.Mistake(texts[0].Key, "is taken from the cohort's columns, and so is the personalisation that the upload file brings; name the personalisation in the campaign file too, "+example))
	}
	slices.Sort(brought)
	ownPersonalisation(c, brought)
	var err error
	if r.Fields, err = sinks.FieldsOf(c); err != nil {
		return err
	}
	return r.openFiles(ctx)
}

// openFiles opens the files. Their records have r.Fields.
func (r *Reading) openFiles(ctx context.Context) error {
	o := r.options()
	limits, err := notify.Limits(r.Campaign, r.Fields)
	if err != nil {
		return refusal.New("field_limits_wrong", "cause", err)
	}
	sink, err := sinks.Measuring(r.Campaign, r.Fields)
	if err != nil {
		return err
	}
	o.Limits = append(limits, engine.Asked(sink, sink.Limits(), len(r.Fields))...)
	if r.Reader, err = ingest.Open(ctx, r.Paths, o); err != nil {
		return refusal.New("cohort_unreadable", "cause", err)
	}
	return nil
}

// mayBring reports whether an upload file may bring the personalisation: the campaign file names
// none, and the service has one.
func mayBring(c *campaign.Campaign) bool { return len(c.Personalisation) == 0 && c.PersonalisesAll() }

// BroughtPersonalisation adds to the campaign of a planned run the personalisation that its upload
// file brought. The spool has it.
func BroughtPersonalisation(c *campaign.Campaign, f *runfolder.Folder) error {
	if !mayBring(c) || len(textsOf(c)) > 0 || c.Reach != nil {
		return nil
	}
	manifest, _, err := shard.ReadManifest(f.File(runfolder.SpoolFolder))
	if err != nil {
		return runfolder.Damaged(err)
	}
	ownPersonalisation(c, manifest.Fields)
	return nil
}

// textsOf lists the texts of all routes, with their keys in the campaign file.
func textsOf(c *campaign.Campaign) (all []campaign.Text) {
	for _, way := range c.ByRoute() {
		for _, t := range way.Texts() {
			t.Key = way.Key(t.Key)
			all = append(all, t)
		}
	}
	return all
}

// ownPersonalisation makes each field of the cohort a field of the message.
func ownPersonalisation(c *campaign.Campaign, fields []string) {
	for _, f := range fields {
		c.Personalisation = append(c.Personalisation, campaign.Personalisation{Field: f, Text: "((" + f + "))"})
	}
}

// baseOptions describe the files, for any reading of them.
func baseOptions(c *campaign.Campaign, fields []string) ingest.Options {
	return ingest.Options{
		Format: ingestFormat(c.Cohort.Format), Columns: c.Cohort.Columns, Fields: fields,
		Multiline: c.Cohort.Multiline, EncodingChecked: c.Cohort.Checked,
	}
}

func (r *Reading) options() ingest.Options {
	c, o := r.Campaign, baseOptions(r.Campaign, r.Fields)
	o.Required, o.Only, o.Zone = c.Cohort.Required, numberRange(c), c.Pace.Location
	o.Keep, o.LatestBy, o.SupersededBy = slices.Concat(c.KeepColumns, r.carry), c.Cohort.Duplicates.LatestBy, c.Cohort.Superseded
	o.Withdrawn = ingest.Withdrawn{Column: c.Cohort.Withdrawn.Column, Values: c.Cohort.Withdrawn.Values}
	o.Types, o.Defaults = map[string]value.Type{}, map[string]string{}
	if r.Stdin {
		o.Names = map[string]string{r.Paths[0]: r.Name}
	}
	if c.Reach != nil {
		o.Derived = ingest.Derived{Field: campaign.AppColumn, From: c.Reach.Practice, Value: r.App.of}
	}
	for field, t := range c.Cohort.Types {
		o.Types[field] = value.Type(t)
	}
	for field, value := range c.Cohort.Defaults {
		if slices.Contains(r.Fields, field) { // the fields of an upload file are known once it is open
			o.Defaults[field] = value
		}
	}
	if c.File != nil && c.File.Letters != nil { // every record needs an address
		l := c.File.Letters
		o.Address = ingest.Address{Lines: l.AddressLines, Least: l.FewestLines}
		o.Types[l.Postcode] = value.Postcode
		if !slices.Contains(o.Required, l.Postcode) {
			o.Required = append(slices.Clip(o.Required), l.Postcode)
		}
	}
	for _, route := range c.Routes {
		var when []ingest.Condition
		for _, w := range route.When {
			when = append(when, ingest.Condition{Field: w.Column, Values: w.Values, From: w.From, To: w.To})
		}
		o.Routes = append(o.Routes, ingest.Route{When: when})
	}
	return o
}

func ingestFormat(f campaign.Format) ingest.Format {
	return ingest.Format{Type: f.Type, Delimiter: f.Delimiter, Encoding: f.Encoding, Header: f.Header}
}

// numberRange returns the NHS numbers that the campaign's profile accepts.
func numberRange(c *campaign.Campaign) ingest.Range {
	switch {
	case c.Cohort.Numbers == campaign.WhateverNumbers:
	case c.Profile == campaign.Test:
		return ingest.TestNumbers
	case c.Profile == campaign.Production:
		return ingest.RealNumbers
	}
	return ingest.AnyNumber
}

// typedDefaults refuses a default that does not have its field's type.
func typedDefaults(c *campaign.Campaign) error {
	for field, filled := range c.Cohort.Defaults {
		if t, typed := c.Cohort.Types[field]; typed && filled != "" && !value.Type(t).Holds(filled) {
			return refusal.New("default_of_wrong_type", "cause", c.Mistake("cohort.defaults."+field, "is not "+value.Type(t).Words()+", as cohort.types asks of the field"))
		}
	}
	return nil
}

// usedDefaults refuses a default for a field that is in no message.
func usedDefaults(c *campaign.Campaign, fields []string) error {
	for field := range c.Cohort.Defaults {
		if !slices.Contains(fields, field) {
			return refusal.New("default_unused", "cause", c.Mistake("cohort.defaults."+field, "is for a field that no personalisation uses; take it out, or put (("+field+")) into a text"))
		}
	}
	return nil
}
