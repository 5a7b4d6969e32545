package output

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
)

// writeTo writes what a person has asked for to the path that they have named. A regular
// file is replaced as a whole; a device or a pipe, such as /dev/stdout, is written to.
func WriteTo(path string, write func(io.Writer) error) error {
	there, err := os.Stat(path)
	if err != nil { // there is nothing, or durable says what is wrong
		return disk.WriteFile(path, write)
	}
	if stream := streamOf(there); stream != nil {
		return write(stream)
	}
	if there.Mode().IsRegular() {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
		return disk.WriteFile(path, write)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// streamOf is standard output or standard error when a file is theirs, also where they lead
// to a regular file; else nil.
func streamOf(there os.FileInfo) *os.File {
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if open, err := stream.Stat(); err == nil && os.SameFile(open, there) {
			return stream
		}
	}
	return nil
}

const ForceHelp = "overwrite a file that is there already"

// claim refuses to write to a path that is taken, unless force says so. Every command calls
// it for each file that a person names as an output, before it begins its work.
func Claim(path string, force bool, header string) error {
	if err := CheckFolder(path); err != nil {
		return err
	}
	if at := Taken(path, header); at != "" && !force {
		return refusal.New("output_exists", "file", at)
	}
	return nil
}

// CheckFolder refuses a path in a folder that is not there.
func CheckFolder(path string) error {
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return refusal.New("output_folder_missing", "file", path, "folder", folder)
	}
	return nil
}

// taken returns what a command would overwrite at a path and did not make: the file, or the
// temporary one that it is written under. What it made is told by its header line, where it
// writes one. Devices and pipes are only written to.
func Taken(path, header string) string {
	for _, at := range []string{path, path + ".tmp"} {
		if inTheWay(at) && (header == "" || !beginsWith(at, header+"\n")) {
			return at
		}
	}
	return ""
}

// inTheWay reports whether writing to a path would take something away.
func inTheWay(path string) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	there, err := os.Stat(path)
	if err != nil {
		return true // a link to nothing, which would be replaced
	}
	return there.IsDir() || there.Mode().IsRegular() && streamOf(there) == nil
}

// beginsWith reports whether a file begins with a text.
func beginsWith(path, text string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, len(text))
	_, err = io.ReadFull(f, start)
	return err == nil && string(start) == text
}

// isFile reports whether a path names a regular file by itself.
func IsFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// keepInputs refuses to write to a path that is one of the inputs, or whose temporary
// name is.
func KeepInputs(path string, inputs []string) error {
	for _, input := range inputs {
		for _, written := range []string{path, path + ".tmp"} {
			if runfolder.Same(written, input) {
				return refusal.New("output_is_input", "file", path, "input", input)
			}
		}
	}
	return nil
}

// checkInputs lists the files that a check reads.
func CheckInputs(c *campaign.Campaign, paths []string, r *ingest.Reader) []string {
	inputs := campaignInputs(c)
	for _, f := range r.Files() {
		inputs = append(inputs, f.Path)
	}
	if runfolder.FromStdin(paths) {
		inputs = append(inputs, "/dev/stdin")
	}
	for _, list := range c.Suppress {
		inputs = append(inputs, list.File)
	}
	return inputs
}

// campaignInputs lists the files that a campaign's file names or is, and those of its register.
func campaignInputs(c *campaign.Campaign) []string {
	inputs := []string{c.Path}
	if c.File == nil {
		at := c.Access()
		inputs = append(inputs, at.APIKeyFile, at.PrivateKeyFile, at.CAFile)
	}
	if c.NHSApp != nil {
		inputs = append(inputs, c.NHSApp.ContentFile)
	}
	for _, r := range c.Routes {
		inputs = append(inputs, r.ContentFile)
	}
	for _, dir := range c.Registers() {
		known, _ := filepath.Glob(filepath.Join(dir, "*")) // what cannot be read is not kept from anybody
		inputs = append(inputs, known...)
	}
	return inputs
}

// reportInputs lists the files that a run has read and those in its folder, but for its
// report.
func ReportInputs(dir string, c runfolder.Call, plan *plan.Plan) []string {
	inputs := []string{c.Campaign}
	if campaign, _, _, err := runfolder.ReadCampaign(dir, c); err == nil {
		inputs = append(inputs, campaignInputs(campaign)...)
	}
	for _, f := range plan.Cohort.Files {
		inputs = append(inputs, f.Path)
	}
	for _, list := range plan.Lists {
		inputs = append(inputs, list.File)
	}
	own := filepath.Join(dir, runfolder.ReportFile)
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path != own {
			inputs = append(inputs, path)
		}
		return nil // what cannot be read is not kept from anybody
	})
	return inputs
}
