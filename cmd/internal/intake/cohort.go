package intake

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
	"cohort/sinks/notify"
)

// openCohort opens the files of a cohort as the campaign says that they are to be read.
// Upload files of NHS Notify bring their personalisation with them: where the campaign
// names none, it is theirs.
func OpenCohort(ctx context.Context, c *campaign.Campaign, in Input) (*ingest.Reader, error) {
	fields, err := sinks.FieldsOf(c)
	if err == nil {
		err = typedDefaults(c)
	}
	if mistake := c.CheckNames(); err == nil && mistake != nil {
		err = refusal.New("fields_refused", "cause", mistake)
	}
	own := mayBring(c)
	if err == nil && !own {
		err = usedDefaults(c, fields)
	}
	if err != nil {
		return nil, err
	}
	reader, err := openFiles(ctx, c, fields, in)
	if err != nil {
		return nil, err
	}
	if err := c.CheckWords(reader.Columns()); err != nil {
		return nil, refusal.New("content_words_refused", "cause", err)
	}
	if !own {
		return reader, nil
	}
	brought, _, err := reader.Mesh()
	if err != nil {
		return nil, refusal.New("upload_unreadable", "cause", err)
	}
	if err := usedDefaults(c, slices.Concat(fields, brought)); err != nil {
		return nil, err
	}
	if len(brought) == 0 {
		return fitting(reader, c)
	}
	if c.Reach != nil {
		return nil, refusal.New("reach_with_upload_fields", "cause", c.Mistake("reach", "is for cohorts whose personalisation the campaign file names, and the upload file brings its own; name it in the campaign file too, such as "+brought[0]+": \"(("+brought[0]+"))\""))
	}
	if texts := textsOf(c); len(texts) > 0 {
		return nil, refusal.New("texts_with_upload_fields", "cause", c.Mistake(texts[0].Key, "is taken from the cohort's columns, and so is the personalisation that the upload file brings; name the personalisation in the campaign file too, such as "+brought[0]+": \"(("+brought[0]+"))\""))
	}
	slices.Sort(brought) // the order in which the spool and the messages have every campaign's fields
	ownPersonalisation(c, brought)
	if reader, err = openFiles(ctx, c, brought, in); err != nil {
		return nil, err
	}
	return fitting(reader, c)
}

// fitting refuses a personalisation, known by now, that is not its routing plan's, or that no
// plan may have.
func fitting(reader *ingest.Reader, c *campaign.Campaign) (*ingest.Reader, error) {
	if err := cmp.Or(c.CheckFields(), c.CheckNames()); err != nil {
		return nil, refusal.New("fields_refused", "cause", err)
	}
	return reader, nil
}

// openFiles opens the files of a cohort whose records carry fields.
func openFiles(ctx context.Context, c *campaign.Campaign, fields []string, in Input) (*ingest.Reader, error) {
	o := ingestOptions(c, fields, in)
	var err error
	if o.Limits, err = limitsOf(c, fields); err != nil {
		return nil, err
	}
	reader, err := ingest.Open(ctx, in.Paths, o)
	if err != nil {
		return nil, refusal.New("cohort_unreadable", "cause", err)
	}
	return reader, nil
}

// limitsOf is what the campaign's service asks of every record.
func limitsOf(c *campaign.Campaign, fields []string) ([]person.Limit, error) {
	limits, err := notify.Limits(c, fields)
	if err != nil {
		return nil, refusal.New("field_limits_wrong", "cause", err)
	}
	sink, err := sinks.Measuring(c, fields)
	if err != nil {
		return nil, err
	}
	return append(limits, engine.Asked(sink, sink.Limits(), len(fields))...), nil
}

// mayBring reports whether the cohort may bring the personalisation with it: the campaign
// file names none, and the service has one.
func mayBring(c *campaign.Campaign) bool { return len(c.Personalisation) == 0 && c.PersonalisesAll() }

// broughtPersonalisation fills in the personalisation of a planned run whose cohort has
// brought it, which the spool knows. What else is taken from columns is never beside it.
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

// textsOf lists the texts of all routes of a campaign, under the keys where they stand.
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

func ingestOptions(c *campaign.Campaign, fields []string, in Input) ingest.Options {
	o := ingest.Options{
		Format: ingestFormat(c.Cohort.Format), Columns: c.Cohort.Columns, Fields: fields, Required: c.Cohort.Required, Only: numberRange(c),
		Multiline: c.Cohort.Multiline, EncodingChecked: c.Cohort.Checked,
		LatestBy: c.Cohort.Duplicates.LatestBy, SupersededBy: c.Cohort.Superseded,
		Withdrawn: ingest.Withdrawn{Column: c.Cohort.Withdrawn.Column, Values: c.Cohort.Withdrawn.Values},
		Types:     map[string]ingest.Type{}, Defaults: map[string]string{}, Names: in.names(), Zone: c.Pace.Location,
	}
	if c.Reach != nil {
		o.Derived = ingest.Derived{Field: campaign.AppColumn, From: c.Reach.Practice, Value: in.App.of}
	}
	for field, t := range c.Cohort.Types {
		o.Types[field] = ingest.Type(t)
	}
	for field, value := range c.Cohort.Defaults {
		if slices.Contains(fields, field) { // those of an upload file are known only when it is open
			o.Defaults[field] = value
		}
	}
	if c.File != nil && c.File.Letters != nil {
		addressed(&o, c.File.Letters)
	}
	for _, r := range c.Routes {
		var route ingest.Route
		for _, when := range r.When {
			route.When = append(route.When, ingest.Condition{Field: when.Column, Values: when.Values, From: when.From, To: when.To})
		}
		o.Routes = append(o.Routes, route)
	}
	return o
}

// addressed asks of every record for an address that a letter can be sent to.
func addressed(o *ingest.Options, l *campaign.Letters) {
	o.Address = ingest.Address{Lines: l.AddressLines, Least: l.FewestLines}
	o.Types[l.Postcode] = ingest.Postcode
	if !slices.Contains(o.Required, l.Postcode) {
		o.Required = append(slices.Clip(o.Required), l.Postcode)
	}
}

func ingestFormat(f campaign.Format) ingest.Format {
	return ingest.Format{Type: f.Type, Delimiter: f.Delimiter, Encoding: f.Encoding, Header: f.Header}
}

// cohortOf describes a cohort whose digest is known.
func CohortOf(r *ingest.Reader, digest [32]byte, in Input) plan.Cohort {
	cohort := plan.Cohort{SHA256: fmt.Sprintf("%x", digest)}
	for _, f := range r.Files() {
		cohort.Bytes += f.Bytes
		cohort.Files = append(cohort.Files, plan.CohortFile{Path: in.called(f.Path), SHA256: fmt.Sprintf("%x", f.SHA256), Bytes: f.Bytes})
	}
	return cohort
}

// buildSpool reads a cohort into a spool. exclude, which may be nil, yields the people who
// must not be sent to; replaced, which may be nil, what earlier files say of replaced numbers.
func buildSpool(ctx context.Context, dir string, r *ingest.Reader, c *campaign.Campaign, fields []string, cohort plan.Cohort,
	exclude iter.Seq2[shard.Exclusion, error], replaced iter.Seq2[person.NHSNumber, person.NHSNumber]) (shard.Manifest, [32]byte, error) {
	rule := map[string]shard.Rule{"first": shard.First, "last": shard.Last, "latest": shard.Latest}[c.Cohort.Duplicates.Rule]
	return shard.Build(ctx, dir, r.Records(), shard.Options{
		Shards: shard.CountRouted(cohort.Bytes, len(c.Routes)), Fields: fields, Duplicates: rule, Superseded: supersededIn(c, r), Exclude: exclude, Replaced: replaced, Routes: len(c.Routes),
	})
}

// supersededIn yields which numbers the cohort says were superseded; nil where the campaign
// does not ask.
func supersededIn(c *campaign.Campaign, r *ingest.Reader) iter.Seq2[person.NHSNumber, person.NHSNumber] {
	if c.Cohort.Superseded == "" {
		return nil
	}
	return r.Superseded()
}

// concat yields the people of two sequences, either of which may be nil; nil of two
// that are.
func concat(a, b iter.Seq2[shard.Exclusion, error]) iter.Seq2[shard.Exclusion, error] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(yield func(shard.Exclusion, error) bool) {
		for _, people := range []iter.Seq2[shard.Exclusion, error]{a, b} {
			for e, err := range people {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}
