package ingest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/fixtures"
	"cohort/ingest"
	"cohort/ingest/format"
	"cohort/ingest/person"
	"cohort/ingest/value"
)

var headless = false

// The fixture table: a file of each format, encoding and quirk, and what becomes of
// each of its records.
func TestFormats(t *testing.T) {
	const plain = "nhs_number,name\n" + a + ",Siân\n1,Bob\n"
	names := ingest.Options{Fields: []string{"name"}}
	with := func(f format.Format) ingest.Options { return ingest.Options{Fields: []string{"name"}, Format: f} }
	good := []string{"0:2 " + a + "|Siân", "0:3 bad_number 1"}
	positions := ingest.Options{Fields: []string{"name"}, Format: format.Format{Header: &headless}, Columns: map[string][]string{"nhs_number": {"2"}, "name": {"1"}}}
	columns := ingest.Options{Fields: []string{"name", "born", "changed", "age", "score", "dead"}, LatestBy: "changed", Types: map[string]value.Type{"born": value.Date}}
	inColumns := []string{
		"0:1 " + a + "|Siân|1970-01-01|1970-01-01T00:00:01.5Z|40|0.5|true order 1500",
		"0:2 0101010109|Siân|1970-01-02|1970-01-01T00:00:01.501Z|41|0.5|false order 1501",
		"0:3 bad_number 0000000001", "0:4 bad_number ", "0:5 bad_type " + b,
	}
	asText := slices.Clone(inColumns)
	asText[2] = "0:3 bad_number 1"
	appointments := ingest.Options{Fields: []string{"Appt Date", "kind"}, Columns: map[string][]string{"kind": {"Episode Type"}}, LatestBy: "Action Timestamp", Withdrawn: ingest.Withdrawn{Column: "Action", Values: []string{"C"}}}
	loud := func(from []byte, _ person.NHSNumber) string { return string(from) + "!" }
	aged := ingest.Options{Fields: []string{"aged"}, Derived: ingest.Derived{Field: "aged", From: "age", Value: loud}}
	for sentence, test := range map[string]struct {
		name, file string
		o          ingest.Options
		format     string // type compression delimiter encoding header
		want       []string
	}{
		"comma":                         {"c.csv", plain, names, "csv  , utf-8 true", good},
		"tab":                           {"c.csv", strings.ReplaceAll(plain, ",", "\t"), names, "csv  \t utf-8 true", good},
		"pipe":                          {"c.csv", strings.ReplaceAll(plain, ",", "|"), names, "csv  | utf-8 true", good},
		"semicolon":                     {"c.csv", strings.ReplaceAll(plain, ",", ";"), names, "csv  ; utf-8 true", good},
		"a colon, when it is said":      {"c.csv", strings.ReplaceAll(plain, ",", ":"), with(format.Format{Delimiter: ":"}), "csv  : utf-8 true", good},
		"tsv said":                      {"c.csv", strings.ReplaceAll(plain, ",", "\t"), with(format.Format{Type: "tsv"}), "csv  \t utf-8 true", good},
		"semicolons with commas in":     {"c.csv", "nhs_number;name;a, b\n" + a + ";Ann, B;1,2\n" + b + ";Bob;2\n", names, "csv  ; utf-8 true", []string{"0:2 " + a + "|Ann, B", "0:3 " + b + "|Bob"}},
		"quoted delimiters":             {"c.csv", "nhs_number|name\n" + a + "|\"A|n\nn\"\n", names, "csv  | utf-8 true", []string{"0:2 " + a + "|A|n\nn"}},
		"no header":                     {"c.csv", "Siân," + a + "\nBob,1\nCy\n", positions, "csv  , utf-8 false", []string{"0:1 " + a + "|Siân", "0:2 bad_number 1", "0:3 wrong_columns "}},
		"byte order mark":               {"c.csv", "\xef\xbb\xbf" + plain, names, "csv  , utf-8 true", good},
		"UTF-16, little end first":      {"c.csv", "\xff\xfe" + utf16ed(plain, binary.LittleEndian), names, "csv  , utf-16le true", good},
		"UTF-16, big end first":         {"c.csv", "\xfe\xff" + utf16ed(plain, binary.BigEndian), with(format.Format{Encoding: "UTF-16"}), "csv  , utf-16be true", good},
		"UTF-16 that is said":           {"c.csv", utf16ed(plain, binary.LittleEndian), with(format.Format{Encoding: "utf-16le"}), "csv  , utf-16le true", good},
		"UTF-16 beyond the basics":      {"c.csv", "\xff\xfe" + utf16ed("nhs_number,name\n"+a+",𝒜𝒷\n", binary.LittleEndian), names, "csv  , utf-16le true", []string{"0:2 " + a + "|𝒜𝒷"}},
		"half a UTF-16 character":       {"c.csv", "\xff\xfe" + utf16ed("nhs_number,name\n"+a+",x", binary.LittleEndian) + "\x00\xd8" + utf16ed("\n"+b+",y\n", binary.LittleEndian), names, "csv  , utf-16le true", []string{"0:2 bad_encoding " + a, "0:3 " + b + "|y"}},
		"Windows-1252 that is said":     {"c.csv", "nhs_number,name\n" + a + ",Si\xe2n \x80\n" + b + ",\x81\n", with(format.Format{Encoding: "Windows-1252"}), "csv  , windows-1252 true", []string{"0:2 " + a + "|Siân €", "0:3 bad_encoding " + b}},
		"Windows-1252 that is not":      {"c.csv", "nhs_number,name\n" + a + ",Si\xe2n\n", names, "csv  , utf-8 true", []string{"0:2 bad_encoding " + a}},
		"a NUL in the middle":           {"c.csv", "nhs_number,name\n" + a + ",x\n" + b + ",\x00\n", names, "csv  , utf-8 true", []string{"0:2 " + a + "|x", "0:3 bad_encoding " + b}},
		"the header in the middle":      {"c.csv", "nhs_number,name\n" + a + ",x\nnhs_number,name\n", names, "csv  , utf-8 true", []string{"0:2 " + a + "|x", "0:3 bad_number nhs_number"}},
		"gzip":                          {"c.csv", gzipped(plain), names, "csv gzip , utf-8 true", good},
		"gzip of two parts":             {"c.csv", gzipped(plain[:20]) + gzipped(plain[20:]), names, "csv gzip , utf-8 true", good},
		"zstd behind a skippable frame": {"c.csv", skippable(0, "abcd") + zstded(plain), names, "csv zstd , utf-8 true", good},
		"zstd between skippable frames": {"c.csv", skippable(15, "") + zstded(plain[:20]) + skippable(7, strings.Repeat("x", 100000)) + zstded(plain[20:]) + skippable(1, "end"), names, "csv zstd , utf-8 true", good},
		"zstd of UTF-16":                {"c.csv", zstded("\xff\xfe" + utf16ed(plain, binary.LittleEndian)), names, "csv zstd , utf-16le true", good},
		"zip":                           {"c.csv", zipped("x/", "", "x/c.csv", plain, "__MACOSX/._c.csv", "?"), names, "csv zip , utf-8 true", good},
		"the upload file of Notify":     {"c.csv", "messageReference,nhsNumber,personalisation_name,personalisation_x\nr1," + a + ",Siân,1\n ,1,Bob,2\n", names, "mesh  , utf-8 true", []string{"0:2 " + a + "|Siân ref r1", "0:3 bad_number 1"}},
		"a reference of a bad record":   {"c.csv", "nhsNumber,messageReference,personalisation_name\n1,r2,Bob\n", names, "mesh  , utf-8 true", []string{"0:2 bad_number 1 ref r2"}},
		"NBSS":                          {"c.dat", nbss("000002", "B,"+a+",F,20250102,20241201-101112", "C,999 000 0026,R,20250103,20241201-101113") + nbssEnd, appointments, "nbss  | utf-8 true", []string{"0:3 " + a + "|20250102|F order 1733047872000", "0:4 " + b + "|20250103|R order 1733047873000 withdrawn"}},
		"Parquet with whole numbers":    {"c.parquet", parqueted(table(true)), columns, "parquet    ", inColumns},
		"worked out, of Parquet":        {"c.parquet", parqueted(table(true)), aged, "parquet    ", []string{"0:1 " + a + "|40!", "0:2 0101010109|41!", "0:3 bad_number 0000000001", "0:4 bad_number ", "0:5 " + b + "|!"}},
		"worked out, of a stream":       {"c.arrow", arrowed(table(false), true), aged, "arrow    ", []string{"0:1 " + a + "|40!", "0:2 0101010109|41!", "0:3 bad_number 1", "0:4 bad_number ", "0:5 " + b + "|!", "0:6 " + a + "|40!"}},
		"worked out, of NBSS":           {"c.dat", nbss("000001", "B,"+a+",F,20250102,20241201-101112") + nbssEnd, ingest.Options{Fields: []string{"kind"}, Derived: ingest.Derived{Field: "kind", From: "Episode Type", Value: loud}}, "nbss  | utf-8 true", []string{"0:3 " + a + "|F!"}},
		"Parquet with text":             {"c", parqueted(table(false)), columns, "parquet    ", asText},
		"an Arrow file":                 {"c", arrowed(table(true), false), columns, "arrow    ", inColumns},
		"an Arrow stream":               {"c", arrowed(table(true), true), columns, "arrow    ", append(slices.Clone(inColumns), "0:6"+inColumns[0][3:])},
		"an Arrow stream in gzip":       {"c", gzipped(arrowed(table(true), true)), columns, "arrow gzip   ", append(slices.Clone(inColumns), "0:6"+inColumns[0][3:])},
	} {
		t.Run(sentence, func(t *testing.T) {
			path := save(t, test.name, test.file)
			r, err := ingest.Open(t.Context(), []string{path}, test.o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := told(r)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got  %q, %v\nwant %q", got, err, test.want)
			}
			info, sum := r.Files()[0], sha256.Sum256([]byte(test.file))
			f, header := info.Format, ""
			if f.Header != nil {
				header = fmt.Sprint(*f.Header)
			}
			if got := strings.Join([]string{f.Type, f.Compression, f.Delimiter, f.Encoding, header}, " "); got != test.format {
				t.Errorf("the format is %q, want %q", got, test.format)
			}
			if info.SHA256 != sum || info.Bytes != int64(len(test.file)) || info.Records != int64(len(test.want)) || info.Path != path {
				t.Errorf("%+v", info)
			}
			if digest, err := r.Digest(t.Context()); err != nil || digest != sum {
				t.Errorf("the digest is another, %v", err)
			}
			if s := r.Summary(); s.Records != int64(len(test.want)) || s.Bytes != info.Bytes {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestFilesThatOpenRefuses(t *testing.T) {
	const plain = "nhs_number,name\n" + a + ",Ann\n"
	with := func(f format.Format) ingest.Options { return ingest.Options{Format: f} }
	long := func(pack func(string) string) string {
		var text bytes.Buffer
		must(fixtures.Cohort{People: 20_000}.WriteCSV(&text))
		return pack(text.String())
	}
	half := func(s string) string { return s[:len(s)/2] }
	flipped := []byte(long(gzipped))
	flipped[len(flipped)-6] ^= 1
	marked := func(s string) string { return "\xff\xfe" + utf16ed(s, binary.LittleEndian) }
	const again = "; ask the sender for the file again"
	for sentence, test := range map[string]struct {
		file string
		o    ingest.Options
		want string
	}{
		"gzip cut short":                              {half(long(gzipped)), ingest.Options{}, "c: the gzip file is cut short" + again},
		"a byte behind gzip":                          {gzipped(plain) + "x", ingest.Options{}, "c: there are more bytes behind the end of the gzip file" + again},
		"many bytes behind gzip":                      {gzipped(plain) + "x" + plain, ingest.Options{}, "c: there are more bytes behind the end of the gzip file" + again},
		"gzip whose second part is short":             {gzipped(plain) + half(gzipped(plain)), ingest.Options{}, "c: the gzip file is cut short" + again},
		"gzip with a wrong checksum":                  {string(flipped), ingest.Options{}, "c: the gzip file is damaged" + again},
		"zstd cut short in a skippable frame":         {skippable(0, "abcd")[:10], ingest.Options{}, "c: the zstd file is cut short" + again},
		"zstd cut short, whose frames can be skipped": {skippable(0, "abcd") + half(long(zstded)), ingest.Options{}, "c: the zstd file is cut short" + again},
		"zstd of nothing but a skippable frame":       {skippable(0, "abcd"), ingest.Options{}, "c: the file is empty" + again},
		"zstd cut short":                              {half(long(zstded)), ingest.Options{}, "c: the zstd file is cut short" + again},
		"zip cut short":                               {half(long(func(s string) string { return zipped("c", s) })), ingest.Options{}, "c: the zip file is cut short or damaged" + again},
		"zip with two members":                        {zipped("a", plain, "b", plain), ingest.Options{}, "c: the zip file holds more than one file; unzip it and give the files that are meant"},
		"zip without a member":                        {zipped(), ingest.Options{}, "c: the zip file holds no file" + again},
		"an Excel workbook":                           {zipped("[Content_Types].xml", "<x/>"), ingest.Options{}, "c: this is an Excel workbook (xlsx); save the sheet as CSV UTF-8"},
		"gzip in gzip":                                {gzipped(gzipped(plain)), ingest.Options{}, "c: a gzip file is inside the gzip file; unpack it first"},
		"an Arrow file in gzip":                       {gzipped(arrowed(table(true), false)), ingest.Options{}, "c: an Arrow file is inside the gzip file; unpack it first"},
		"Parquet in gzip":                             {gzipped(parqueted(table(true))), ingest.Options{}, "c: a Parquet file is inside the gzip file; unpack it first"},
		"Parquet cut short":                           {half(parqueted(table(true))), ingest.Options{}, "c: the Parquet file is cut short or damaged, in its footer" + again},
		"an Arrow file cut short":                     {half(arrowed(table(true), false)), ingest.Options{}, "c: the Arrow file is cut short or damaged, in its footer" + again},
		"an Arrow stream cut short":                   {half(arrowed(table(true), true)), ingest.Options{}, "c: the Arrow stream file is cut short or damaged, in record batch 1" + again},
		"an Arrow stream without its end":             {strings.TrimSuffix(arrowed(table(true), true), "\xff\xff\xff\xff\x00\x00\x00\x00"), ingest.Options{}, "c: the Arrow stream file is cut short or damaged, in record batch 3" + again},
		"a list where text is wanted":                 {parqueted(table(true)), ingest.Options{Fields: []string{"tags"}}, `c: the column "tags" holds list values, which have no plain text; send it as text`},
		"UTF-16 that says UTF-8":                      {marked(plain), with(format.Format{Encoding: "utf-8"}), "c: the file begins with the mark of utf-16le, and cohort.format.encoding is utf-8; correct the campaign, or save the file in that encoding"},
		"UTF-8 that says UTF-16":                      {plain, with(format.Format{Encoding: "utf-16le"}), "c: the content is not UTF-16, and cohort.format.encoding is utf-16le; correct the campaign, or ask the sender for the right file"},
		"UTF-16 without mark or order":                {utf16ed(plain, binary.BigEndian), with(format.Format{Encoding: "utf-16"}), "c: the file has no byte order mark, and cohort.format.encoding is utf-16; set it to utf-16le or utf-16be"},
		"UTF-16 cut in a character":                   {marked(plain) + "x", ingest.Options{}, "c: the file ends in the middle of a UTF-16 character" + again},
		"two delimiters that both fit":                {"nhs_number,a|b,c\n1,2|3,4\n", ingest.Options{}, `c:1: the values could be separated by "," or by "|"; name the right one in the campaign as cohort.format.delimiter`},
		"a type that it is not":                       {plain, with(format.Format{Type: "parquet"}), "c: the content is a text file, and cohort.format.type is parquet; correct the campaign, or ask the sender for the right file"},
		"no mesh file":                                {plain, with(format.Format{Type: "mesh"}), "c:1: the header lacks messageReference or nhsNumber, and cohort.format.type is mesh; correct the campaign, or ask the sender for the right file"},
		"a position that is not there":                {"x," + a + "\n", ingest.Options{Format: format.Format{Header: &headless}, Columns: map[string][]string{"nhs_number": {"3"}}}, `c:1: there is no column "3" for the field nhs_number; the columns are "1", "2"; add to the campaign, under cohort: columns: {nhs_number: "POSITION OF THE COLUMN"}`},
		"NBSS with a record missing":                  {nbss("000002", "B,"+a+",F,20250102,x") + nbssEnd, ingest.Options{}, "c:4: the header promises 2 records and the file holds 1" + again},
		"NBSS without its end":                        {nbss("000001", "B,"+a+",F,20250102,x"), ingest.Options{}, "c: the file is cut short: there is no NBSSAPPT_END record" + again},
		"NBSS of a header alone":                      {strings.SplitAfter(nbss("000001"), "\n")[0], ingest.Options{}, "c: the file is cut short: there is no NBSSAPPT_END record" + again},
		"NBSS with its headings again":                {nbss("000001", "B,"+a+",F,20250102,x") + strings.SplitAfter(nbss(""), "\n")[1], ingest.Options{}, "c:4: there is a record that is neither NBSSAPPT_DATA nor NBSSAPPT_END" + again},
		"NBSS with records behind its end":            {nbss("000000") + nbssEnd + nbssEnd, ingest.Options{}, "c:4: there is a record behind NBSSAPPT_END" + again},
		"NBSS without a record":                       {nbss("000000") + nbssEnd, ingest.Options{}, "c: there are no records" + again},
		"NBSS without a count":                        {nbss("many"), ingest.Options{}, "c:1: the NBSSAPPT_HDR record does not say its extract id and how many records follow" + again},
	} {
		t.Run(sentence, func(t *testing.T) {
			r, err := ingest.Open(t.Context(), []string{save(t, "c", test.file)}, test.o)
			if err == nil {
				_, err = told(r)
			}
			if _, ok := errors.AsType[*format.FileError](err); !ok || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// Wherever a packed or columnar file is cut, it is refused: nothing of it counts.
func TestNoCutFileCountsAsWhole(t *testing.T) {
	var text bytes.Buffer
	must(fixtures.Cohort{People: 200}.WriteCSV(&text))
	for name, whole := range map[string]string{
		"gzip": gzipped(text.String()), "zstd": zstded(text.String()), "zip": zipped("c", text.String()),
		"parquet": parqueted(table(true)), "arrow": arrowed(table(true), false), "stream": arrowed(table(true), true),
		"nbss": nbss("000002", "B,"+a+",F,20250102,x", "B,"+b+",F,20250102,x") + "\"NBSSAPPT_END\"|\"1\"",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c")
			for n := 4; n < len(whole)-3; n += 1 + len(whole)/97 {
				must(0, os.WriteFile(path, []byte(whole[:n]), 0o600))
				r, err := ingest.Open(t.Context(), []string{path}, ingest.Options{})
				if err == nil {
					_, err = told(r)
				}
				if _, ok := errors.AsType[*format.FileError](err); !ok {
					t.Errorf("%d of %d bytes: %v", n, len(whole), err)
				}
			}
		})
	}
}
