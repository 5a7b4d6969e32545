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
	RoutingPlanID string
	From, To      string // mailboxes; empty: left empty in the control file
}

// Letters is a file for a print supplier.
type Letters struct {
	Format       string   // csv or jsonl
	Columns      []string // of the file, in order: message_reference, nhs_number, fields of the personalisation and of the cohort
	AddressLines []string // fields of the cohort that make up the address, in order
	FewestLines  int      // of them that may not be empty
	Postcode     string   // the field of the cohort that must hold one
}

// What holds of files when the campaign file says nothing else.
const (
	mostFileMessages   = 6_000_000     // NHS Notify's limit for an upload
	mostFileBytes      = 2_000_000_000 // the limit, which is not reached
	fewestFileBytes    = 1_000
	defaultFewestLines = 2
)

// The columns of a letters file that are not the cohort's.
var ownColumns = []string{"message_reference", "nhs_number"}

// PersonalisesAll says whether the messages are made of the personalisation alone, so
// that an upload file of NHS Notify may bring it with it.
func (c *Campaign) PersonalisesAll() bool {
	return c.NHSApp == nil && (c.File == nil || c.File.Letters == nil)
}

// letters are the texts of a letters file, in the order of its columns.
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
		l.wrong("pace", "is for services that are sent to over hours; files are written at once, so take it out")
	}
	var limits limitsSection
	at := "sink.file.mesh"
	switch {
	case (s.Mesh == nil) == (s.Letters == nil):
		l.wrong("sink.file", "needs mesh or letters, and not both")
		return
	case s.Mesh != nil:
		limits = s.Mesh.Limits
		f.Mesh = &Mesh{RoutingPlanID: strings.ToLower(s.Mesh.RoutingPlanID), From: s.Mesh.From, To: s.Mesh.To}
		if !uuidForm.MatchString(s.Mesh.RoutingPlanID) {
			l.wrong(at+".routing_plan_id", "must be the routing plan's id, such as b838b13c-f98c-4def-93f0-515d4e4f4ee1")
		}
	default:
		at, limits = "sink.file.letters", s.Letters.Limits
		f.Letters = l.letters(c, s.Letters)
	}
	if m := limits.MaxMessages; m != nil {
		if f.MaxMessages = *m; *m < 1 || *m > mostFileMessages {
			l.wrong(at+".max_messages", "must be between 1 and %d", mostFileMessages)
		}
	}
	if b := limits.MaxBytes; b != nil {
		if f.MaxBytes = *b; *b < fewestFileBytes || *b >= mostFileBytes {
			l.wrong(at+".max_bytes", "must be at least %d and less than %d", fewestFileBytes, int64(mostFileBytes))
		}
	}
}

func (l *loader) letters(c *Campaign, s *lettersSection) *Letters {
	const at = "sink.file.letters"
	f := &Letters{Format: "csv", Columns: s.Columns, AddressLines: s.AddressLines, FewestLines: defaultFewestLines, Postcode: s.Postcode}
	if s.Format != nil {
		f.Format = *s.Format
	}
	if s.FewestLines != nil {
		f.FewestLines = *s.FewestLines
	}
	for i, column := range f.Columns {
		if column == "" || strings.ContainsAny(column, "()\r\n") || slices.Contains(f.Columns[:i], column) {
			l.wrong(at+".columns", "must name each column once; %q is not one, or is named twice", column)
		}
	}
	for _, p := range c.Personalisation {
		if !slices.Contains(f.Columns, p.Field) || slices.Contains(ownColumns, p.Field) {
			l.wrong("personalisation."+p.Field, "is in no column of the letters; name it under sink.file.letters.columns, or take it out")
		}
	}
	switch {
	case f.Format != "csv" && f.Format != "jsonl":
		l.wrong(at+".format", "must be csv or jsonl, not %q", f.Format)
	case len(f.Columns) == 0:
		l.wrong(at+".columns", "is missing; it lists the columns of the file, such as [message_reference, given_name, address_line_1, postcode]")
	case len(f.AddressLines) == 0 || slices.Contains(f.AddressLines, ""):
		l.wrong(at+".address_lines", "is missing; it lists the columns of the cohort that make up the address, which are checked before anything is written")
	case f.FewestLines < 1 || f.FewestLines > len(f.AddressLines):
		l.wrong(at+".fewest_lines", "must be between 1 and the number of address_lines")
	case f.Postcode == "":
		l.wrong(at+".postcode", "is missing; it names the column of the cohort that holds the postcode")
	}
	if t, typed := c.Cohort.Types[f.Postcode]; typed && t != "postcode" {
		l.wrong("cohort.types."+f.Postcode, "must be postcode, since sink.file.letters.postcode says so")
	}
	for _, field := range slices.Sorted(maps.Keys(c.Cohort.Defaults)) {
		if field == f.Postcode || slices.Contains(f.AddressLines, field) {
			l.wrong("cohort.defaults."+field, "cannot be: it is part of the address, and nobody's is made up")
		}
	}
	return f
}

// WritesFiles says whether a service, as ServiceID names it, is files.
func WritesFiles(service string) bool { return strings.HasPrefix(service, "file ") }

// kind is the service that stands for the files.
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
