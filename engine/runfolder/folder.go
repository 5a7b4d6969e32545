package runfolder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// The files of a run's folder, beside those of the plan and the log.
const (
	RunFile      = "run.json"      // how the run was called, for resume
	campaignFile = "campaign.yaml" // a copy of the campaign file as of the latest start
	LockFile     = "lock"
	SpoolFolder  = "spool"
	RejectsFile  = "rejects.csv"
	ReportFile   = "report.parquet"
)

// call is run.json: how a run was called. Paths are absolute.
type Call struct {
	RunID    string   `json:"run_id"`
	Campaign string   `json:"campaign_file"`
	Cohort   []string `json:"cohort_files"`
	Simulate bool     `json:"simulate,omitempty"`
	Register string   `json:"register,omitempty"` // of the latest start

	Consented []string `json:"consented,omitempty"` // ids of other campaigns' runs whose people a person has had sent to again

	// For a run that was stopped before it had a plan.
	NewCohort bool   `json:"new_cohort,omitempty"`
	RestOf    string `json:"rest_of,omitempty"`
	SendAgain string `json:"send_again,omitempty"`
	Reach     string `json:"reach_sha256,omitempty"` // of who has the NHS App, as it was fixed
}

// folder is a run's folder that this process holds.
type Folder struct {
	Path string
	lock *disk.Lock
}

// holdFolder makes a run's folder where there is none, and locks it. A folder that
// holds anything but a run is refused: nothing in it is touched. doing is the command. network allows a
// network filesystem.
func Hold(path, doing string, network bool, log *slog.Logger) (*Folder, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, refusal.New("folder_unmakeable", "cause", err)
	}
	if err := disk.MakeFolder(path); err != nil {
		return nil, refusal.New("folder_unmakeable", "cause", err)
	}
	if err := CheckFolder(path); err != nil {
		return nil, err
	}
	if err := checkFilesystem(path, network, log); err != nil {
		return nil, err
	}
	l, err := disk.Acquire(filepath.Join(path, LockFile), doing)
	if held := (*disk.HeldError)(nil); errors.As(err, &held) {
		return nil, refusal.New("run_busy", "folder", path, "cause", held)
	}
	if err != nil {
		return nil, refusal.New("folder_unlockable", "cause", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		_ = l.Release()
		return nil, refusal.New("folder_not_private", "cause", err)
	}
	return &Folder{path, l}, nil
}

// checkFolder refuses a folder that is neither empty nor a run's.
func CheckFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return refusal.New("folder_unreadable", "cause", err)
	}
	others := 0
	for _, e := range entries {
		switch e.Name() {
		case RunFile: // that of another program is not ours to write over
			c, err := ReadCall(path)
			if err == nil && c.RunID == "" {
				err = refusal.New("run_file_not_ours", "folder", path, "file", RunFile)
			}
			return err
		case LockFile, SocketFile, PathFile, UsersFile, UsersFile + ".tmp", RunFile + ".tmp": // a start that was killed before it had written more
		default:
			if !strings.HasPrefix(e.Name(), StdinPrefix) {
				others++
			}
		}
	}
	if others > 0 {
		return refusal.New("folder_taken", "folder", path)
	}
	return nil
}

// discard removes a folder from which nothing was sent and in which nothing is left
// to look at. It removes what this program makes, by name, and nothing else. Where there
// are rejects it stays, without the records.
func (f *Folder) Discard() {
	f.Forget()
	if f.has("plan.json") || f.has("log") {
		return
	}
	_ = os.RemoveAll(f.File(SpoolFolder))
	_ = os.RemoveAll(f.File(ListsFolder))
	_ = os.Remove(f.File(FilesFolder + "/parts")) // both only when they are empty
	_ = os.Remove(f.File(FilesFolder))
	if f.has(RejectsFile) {
		return
	}
	// run.json goes last but for the lock: while it is there the folder is known as a run's.
	for _, name := range []string{campaignFile, campaignFile + ".tmp", "plan.batches", "plan.batches.tmp", "plan.json.tmp", UsersFile + ".tmp", RejectsFile + ".tmp", RunFile + ".tmp", RunFile, LockFile} {
		_ = os.Remove(f.File(name))
	}
	_ = os.Remove(f.Path) // only when it is empty
}

// forget removes what a preparation alone needs, if the folder has it: the copy of standard
// input, and who has the NHS App.
func (f *Folder) Forget() {
	_ = os.Remove(f.File(StdinFile))
	_ = os.Remove(f.File(UsersFile))
}

// has reports whether something of a name is in the folder.
func (f *Folder) has(name string) bool {
	_, err := os.Stat(f.File(name))
	return err == nil
}

// refusedFor reports whether a folder holds only the rejects of a cohort that was refused.
func RefusedFor(path string) bool {
	f := Folder{Path: path}
	return f.has(RejectsFile) && !f.has(SpoolFolder) && !f.has("plan.json")
}

func (f *Folder) Release()                { _ = f.lock.Release() }
func (f *Folder) File(name string) string { return filepath.Join(f.Path, name) }

// remember writes down how the run was called, and the campaign file as it is now, so
// that the folder alone is enough to go on from.
func (f *Folder) Remember(c Call, campaignText []byte) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = disk.WriteFile(f.File(RunFile), func(w io.Writer) error {
			_, err := w.Write(append(text, '\n'))
			return err
		})
	}
	if err == nil {
		err = disk.WriteFile(f.File(campaignFile), func(w io.Writer) error {
			_, err := w.Write(campaignText)
			return err
		})
	}
	if err != nil {
		return refusal.New("folder_unwritable", "cause", err)
	}
	return nil
}

// readCall reads run.json in a run's folder.
func ReadCall(path string) (Call, error) {
	var c Call
	text, err := os.ReadFile(filepath.Join(path, RunFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, refusal.New("not_a_run", "folder", path, "file", RunFile)
	}
	if err == nil {
		in := json.NewDecoder(bytes.NewReader(text))
		in.DisallowUnknownFields() // a damaged name must not turn a rehearsal into the real thing
		err = in.Decode(&c)
	}
	if err != nil {
		return c, refusal.New("run_file_unreadable", "file", filepath.Join(path, RunFile), "cause", err)
	}
	return c, nil
}

// readCampaign reads the campaign file a run was called with; when that has gone, the
// copy in the run's folder, whose relative paths start where the file used to be.
func ReadCampaign(path string, c Call) (parsed *campaign.Campaign, text []byte, copied bool, err error) {
	text, err = os.ReadFile(c.Campaign)
	if errors.Is(err, fs.ErrNotExist) {
		copied = true
		text, err = os.ReadFile(filepath.Join(path, campaignFile))
	}
	if err != nil {
		return nil, nil, copied, refusal.New("campaign_unreadable", "cause", err)
	}
	if parsed, err = campaign.Parse(text, c.Campaign); err != nil {
		return nil, nil, copied, refusal.New("campaign_invalid", "cause", err)
	}
	return parsed, text, copied, nil
}

// planned opens the sealed plan of a folder for reading.
func Plan(path string) (*plan.Plan, error) {
	planned, err := plan.Open(path)
	if errors.Is(err, plan.ErrNone) {
		return nil, refusal.New("plan_missing", "folder", path, "command", refusal.Command("resume", path))
	}
	if err != nil {
		return nil, Damaged(err)
	}
	return planned, nil
}

func Absolute(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", refusal.New("path_unusable", "path", path, "cause", err)
	}
	return full, nil
}
