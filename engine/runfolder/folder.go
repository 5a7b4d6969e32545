// Package runfolder knows the names in a run's folder, and holds, reads and removes them.
package runfolder

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

const (
	RunFile      = "run.json"      // how the run was called
	campaignFile = "campaign.yaml" // a copy of the campaign file as of the latest start
	LockFile     = "lock"
	SpoolFolder  = "spool"
	RejectsFile  = "rejects.csv"
	ReportFile   = "report.parquet"

	LaterReportFile = "report-delivery.parquet" // of a finished run, whose report is final
	ChannelsFile    = "channels.parquet"
	UnreachedFile   = "unreached.csv"
	SummaryFile     = "summary.html"

	ListsFolder = "lists"        // for matching lists with the cohort; gone when nothing is at work
	FilesFolder = "files"        // of a campaign that writes files
	UsersFile   = "reach.users"  // who has the NHS App, until the plan is sealed
	StdinFile   = "cohort.stdin" // a copy of standard input, until the plan is sealed
	SocketFile  = "control.sock" // the control socket
	PathFile    = "control.path" // names the socket's place if it cannot be in the folder
	temporary   = ".tmp"         // ends the name of a file while it is written
)

// Names of standard input.
const (
	StdinWord   = "-"              // on the command line and in run.json
	StdinName   = "standard input" // in errors, rejects and the report
	StdinPrefix = ".cohort-stdin-" // begins the name of the copy until the run has a folder
)

// Folder is a run's folder that this process has locked.
type Folder struct {
	Path string
	lock *disk.Lock
}

// Hold locks a run's folder, and makes it if there is none. It refuses a folder that holds anything
// but a run. doing is the command, for other processes to read; network allows a network filesystem.
func Hold(path, doing string, network bool, log *slog.Logger) (*Folder, error) {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = disk.MakeFolder(path)
	}
	if err != nil {
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

// CheckFolder refuses a folder that is neither empty nor a run's.
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
		case LockFile, SocketFile, PathFile, UsersFile, UsersFile + temporary, RunFile + temporary: // of a start that was killed early
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

// Discard removes the folder of a run that sent nothing. It removes only what this program makes, by
// name. If there are rejects the folder stays, without the records.
func (f *Folder) Discard() {
	f.Forget()
	if f.has(plan.PlanFile) || f.has(ledger.LogFolder) {
		return
	}
	_ = os.RemoveAll(f.File(SpoolFolder))
	_ = os.RemoveAll(f.File(ListsFolder))
	_ = os.Remove(f.File(FilesFolder + "/parts")) // if it is empty
	_ = os.Remove(f.File(FilesFolder))            // likewise
	if f.has(RejectsFile) {
		return
	}
	entries, _ := os.ReadDir(f.Path)
	for _, e := range entries { // a process may have been killed while it cut
		if strings.HasPrefix(e.Name(), plan.BatchesFile) {
			_ = os.Remove(f.File(e.Name()))
		}
	}
	// run.json goes last but for the lock: it shows that the folder is a run's.
	for _, name := range []string{
		campaignFile, campaignFile + temporary, plan.PlanFile + temporary,
		UsersFile + temporary, RejectsFile + temporary, RunFile + temporary, RunFile, LockFile,
	} {
		_ = os.Remove(f.File(name))
	}
	_ = os.Remove(f.Path) // if it is empty
}

// Forget removes personal data that only a preparation needs: the copy of standard input, and who has the NHS App.
func (f *Folder) Forget() {
	_ = os.Remove(f.File(StdinFile))
	_ = os.Remove(f.File(UsersFile))
}

func (f *Folder) has(name string) bool { return Exists(f.File(name)) }

// RefusedFor reports whether a folder holds only the rejects of a refused cohort.
func RefusedFor(path string) bool {
	f := Folder{Path: path}
	return f.has(RejectsFile) && !f.has(SpoolFolder) && !f.has(plan.PlanFile)
}

func (f *Folder) Release() { _ = f.lock.Release() }

func (f *Folder) File(name string) string { return filepath.Join(f.Path, name) }
