package campaign

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// File is the file sink's part of the campaign file.
type File struct {
	Mesh        *Mesh    // an upload for NHS Notify; or
	Letters     *Letters // letters for a print supplier
	MaxMessages int      // in one file
	MaxBytes    int64    // of one file
}

// Mesh is the upload that NHS Notify takes over MESH.
type Mesh struct {
	RoutingPlanID string `yaml:"routing_plan_id"`
	From          string `yaml:"from"` // a mailbox; empty in the control file if empty
	To            string `yaml:"to"`   // as From
}

// Letters is a file for a print supplier.
type Letters struct {
	Format       string   // csv or jsonl
	Columns      []string // of the file, in order: message_reference, nhs_number, fields of the personalisation and of the cohort
	AddressLines []string // fields of the cohort that make up the address, in order
	FewestLines  int      // of them that may not be empty
	Postcode     string   // the field of the cohort that must hold one
}

const (
	mostFileMessages   = 6_000_000     // NHS Notify's limit for an upload
	mostFileBytes      = 2_000_000_000 // a file must be smaller
	fewestFileBytes    = 1_000
	defaultFewestLines = 2
)

// The columns of a letters file that are not the cohort's.
var ownColumns = []string{"message_reference", "nhs_number"}

// PersonalisesAll reports whether a message consists of the personalisation alone. Only then
// can an upload file of NHS Notify bring its own personalisation.
func (c *Campaign) PersonalisesAll() bool {
	return c.NHSApp == nil && (c.File == nil || c.File.Letters == nil)
}

// letters lists the texts of a letters file, in the order of its columns.
func (c *Campaign) letters() (texts []Text) {
	for _, column := range c.File.Letters.Columns {
		if slices.Contains(ownColumns, column) {
			continue
		}
		text := Text{"sink.file.letters.columns", column, "((" + column + "))"}
		for _, p := range c.Personalisation {
			if p.Field == column {
				text = Text{"personalisation." + p.Field, column, p.Text}
			}
		}
		texts = append(texts, text)
	}
	return texts
}

func (l *loader) files(c *Campaign, s *fileSection, paced bool) {
	f := &File{MaxMessages: mostFileMessages, MaxBytes: mostFileBytes - 1}
	c.File = f
	if paced {
		l.wrong("pace", "is for services; files are written at once, so take it out")
	}
	var limits limitsSection
	at := "sink.file.mesh"
	switch {
	case (s.Mesh == nil) == (s.Letters == nil):
		l.wrong("sink.file", "needs mesh or letters, and not both")
		return
	case s.Mesh != nil:
		limits = s.Mesh.Limits
		f.Mesh = &s.Mesh.Mesh
		f.Mesh.RoutingPlanID = strings.ToLower(f.Mesh.RoutingPlanID)
		if !uuidForm.MatchString(f.Mesh.RoutingPlanID) {
			l.wrong(at+".routing_plan_id", "must be the routing plan's id, such as b838b13c-f98c-4def-93f0-515d4e4f4ee1")
		}
	default:
		at, limits = "sink.file.letters", s.Letters.Limits
		f.Letters = l.letters(c, s.Letters)
	}
	within(l, at+".max_messages", &f.MaxMessages, limits.MaxMessages, 1, mostFileMessages, "")
	within(l, at+".max_bytes", &f.MaxBytes, limits.MaxBytes, fewestFileBytes, mostFileBytes-1, "")
}

func (l *loader) letters(c *Campaign, s *lettersSection) *Letters {
	const at = "sink.file.letters"
	f := &Letters{Format: "csv", Columns: s.Columns, AddressLines: s.AddressLines, FewestLines: defaultFewestLines, Postcode: s.Postcode}
	set(&f.Format, s.Format)
	set(&f.FewestLines, s.FewestLines)
	for i, column := range f.Columns {
		if column == "" || strings.ContainsAny(column, "()\r\n") || slices.Contains(f.Columns[:i], column) {
			l.wrong(at+".columns", "must name each column once; %q is not a name, or is there twice", column)
		}
	}
	for _, p := range c.Personalisation {
		if !slices.Contains(f.Columns, p.Field) || slices.Contains(ownColumns, p.Field) {
			l.wrong("personalisation."+p.Field, "is not a column of the letters; name it under sink.file.letters.columns, or take it out")
		}
	}
	switch {
	case f.Format != "csv" && f.Format != "jsonl":
		l.wrong(at+".format", "must be csv or jsonl, not %q", f.Format)
	case len(f.Columns) == 0:
		l.wrong(at+".columns",
			"is missing; it lists the columns of the file, such as [message_reference, given_name, address_line_1, postcode]")
	case len(f.AddressLines) == 0 || slices.Contains(f.AddressLines, ""):
		l.wrong(at+".address_lines", "is missing; it lists the columns of the cohort with the address")
	case f.FewestLines < 1 || f.FewestLines > len(f.AddressLines):
		l.wrong(at+".fewest_lines", "must be between 1 and the number of address_lines")
	case f.Postcode == "":
		l.wrong(at+".postcode", "is missing; it names the column of the cohort with the postcode")
	}
	if t, typed := c.Cohort.Types[f.Postcode]; typed && t != "postcode" {
		l.wrong("cohort.types."+f.Postcode, "must be postcode, because sink.file.letters.postcode names this column")
	}
	for _, field := range slices.Sorted(maps.Keys(c.Cohort.Defaults)) {
		if field == f.Postcode || slices.Contains(f.AddressLines, field) {
			l.wrong("cohort.defaults."+field, "cannot be: it is part of the address, and an address has no default")
		}
	}
	return f
}

// WritesFiles reports whether a ServiceID means files.
func WritesFiles(service string) bool { return strings.HasPrefix(service, "file ") }

// kind is the ServiceID of the files.
func (f *File) kind() string {
	if f.Mesh != nil {
		return "file mesh"
	}
	return "file letters"
}

func (f *File) frozen() []Setting {
	at, settings := "sink.file.letters.", []Setting(nil)
	if m := f.Mesh; m != nil {
		at = "sink.file.mesh."
		settings = []Setting{{at + "routing_plan_id", m.RoutingPlanID}, {at + "from", m.From}, {at + "to", m.To}}
	} else {
		settings = []Setting{
			{at + "format", f.Letters.Format}, {at + "columns", list(f.Letters.Columns)}, {at + "address_lines", list(f.Letters.AddressLines)},
			{at + "fewest_lines", strconv.Itoa(f.Letters.FewestLines)}, {at + "postcode", f.Letters.Postcode},
		}
	}
	return append(settings, Setting{at + "max_messages", strconv.Itoa(f.MaxMessages)}, Setting{at + "max_bytes", strconv.FormatInt(f.MaxBytes, 10)})
}
