package output

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest"
)

// WriteTo writes to the path that a person named. It replaces a regular file as a whole. It writes
// into a device or a pipe, such as /dev/stdout.
func WriteTo(path string, write func(io.Writer) error) error {
	there, err := os.Stat(path)
	if err != nil { // there is nothing, or WriteFile says what is wrong
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
	return errors.Join(write(f), f.Close())
}

// streamOf returns standard output or standard error when a file is theirs, even a regular file.
// Otherwise it returns nil.
func streamOf(there os.FileInfo) *os.File {
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if open, err := stream.Stat(); err == nil && os.SameFile(open, there) {
			return stream
		}
	}
	return nil
}

// ForceHelp is the help of a flag --force.
const ForceHelp = "overwrite a file that is there already"

// Claim refuses a path whose folder is missing, and, without force, a path that is taken. Every
// command calls it for each output that a person names, before it begins its work. run is the folder of the run that the
// output is about, or empty.
func Claim(path string, force bool, header, run string) error {
	if err := CheckFolder(path, run); err != nil {
		return err
	}
	if at := Taken(path, header); at != "" && !force {
		return refusal.New("output_exists", "file", at)
	}
	return nil
}

// CheckFolder refuses a path in a folder that is not there, or that cohort needs for itself. In a run's folder only that
// run's reports may be written.
func CheckFolder(path, run string) error {
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return refusal.New("output_folder_missing", "file", path, "folder", folder)
	}
	there, err := os.Stat(path)
	if err == nil && !there.Mode().IsRegular() || err == nil && streamOf(there) != nil {
		return nil // a device or a pipe; Taken refuses a folder
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil { // there is no file yet
		if folder, err = filepath.EvalSymlinks(folder); err != nil {
			return nil // writing says what is wrong
		}
		real = filepath.Join(folder, filepath.Base(path))
	}
	if real, err = runfolder.Absolute(real); err != nil {
		return err
	}
	folder = filepath.Dir(real)
	if runfolder.Same(folder, run) && isReport(filepath.Base(real)) {
		return nil
	}
	for at := folder; ; at = filepath.Dir(at) {
		has := func(name string) bool { return runfolder.Exists(filepath.Join(at, name)) }
		isOurs := filepath.Base(at) == facts.SharedFolder || has(runfolder.RunFile) && has(plan.PlanFile)
		if isOurs || at == folder && (has(runfolder.RunFile) || has(plan.PlanFile) || has(register.File)) {
			return refusal.New("output_among_ours", "file", path, "folder", at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// isReport reports whether a name is one that a command itself gives to a report in its run's folder.
func isReport(name string) bool {
	return strings.HasPrefix(name, "report") ||
		slices.Contains([]string{runfolder.ChannelsFile, runfolder.UnreachedFile, runfolder.SummaryFile}, name)
}

// Taken returns the file that a command would overwrite and did not make itself: the path, or its
// temporary name. The header line, if there is one, shows what the command made. Devices and pipes
// are never taken.
func Taken(path, header string) string {
	for _, at := range []string{path, path + ".tmp"} {
		if inTheWay(at) && (header == "" || !beginsWith(at, header+"\n")) {
			return at
		}
	}
	return ""
}

// inTheWay reports whether writing to a path would destroy something.
func inTheWay(path string) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	there, err := os.Stat(path)
	if err != nil {
		return true // a link to nothing would be replaced
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

// IsFile reports whether a path is a regular file, and not a link.
func IsFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// KeepInputs refuses a path when it, or its temporary name, is one of the inputs.
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

// CheckInputs lists the files that a check reads.
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

// campaignInputs lists the campaign file, the files that it names, and those of its registers.
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
		known, _ := filepath.Glob(filepath.Join(dir, "*")) // what cannot be read cannot be protected
		inputs = append(inputs, known...)
	}
	return inputs
}

// ReportInputs lists the files that a run has read and those in its folder, except its report.
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
		return nil // what cannot be read cannot be protected
	})
	return inputs
}
