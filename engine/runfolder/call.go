package runfolder

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/plan"
	"cohort/engine/refusal"
)

// Call is run.json: how a run was called. Paths are absolute.
type Call struct {
	RunID    string   `json:"run_id"`
	Campaign string   `json:"campaign_file"`
	Cohort   []string `json:"cohort_files"`
	Simulate bool     `json:"simulate,omitempty"`
	Register string   `json:"register,omitempty"` // of the latest start

	Consented []string `json:"consented,omitempty"` // ids of other campaigns' runs; a person allowed that their people are sent to again

	// For a run that was stopped before it had a plan.
	NewCohort bool   `json:"new_cohort,omitempty"`
	RestOf    string `json:"rest_of,omitempty"`
	SendAgain string `json:"send_again,omitempty"`
	Reach     string `json:"reach_sha256,omitempty"` // of UsersFile
}

// Remember writes how the run was called, and the campaign file, so that the folder alone is enough to resume.
func (f *Folder) Remember(c Call, campaignText []byte) error {
	text, err := json.MarshalIndent(c, "", "  ")
	write := func(name string, text []byte) error {
		return disk.WriteFile(f.File(name), func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	}
	if err == nil {
		err = write(RunFile, append(text, '\n'))
	}
	if err == nil {
		err = write(campaignFile, campaignText)
	}
	if err != nil {
		return refusal.New("folder_unwritable", "cause", err)
	}
	return nil
}

// ReadCall reads run.json in a run's folder.
func ReadCall(path string) (c Call, err error) {
	text, err := os.ReadFile(filepath.Join(path, RunFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, refusal.New("not_a_run", "folder", path, "file", RunFile)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return c, refusal.New("file_not_folder", "file", path)
	}
	if err == nil {
		in := json.NewDecoder(bytes.NewReader(text))
		in.DisallowUnknownFields() // a damaged name must not turn a rehearsal into a real send
		err = in.Decode(&c)
	}
	if err != nil {
		return c, refusal.New("run_file_unreadable", "file", filepath.Join(path, RunFile), "cause", err)
	}
	return c, nil
}

// ReadCampaign reads the campaign file that a run was called with. If it is gone, it reads the copy
// in the run's folder; relative paths in it start where the file used to be.
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

// KeptCampaign reads the campaign of a plan from the copy in the run's folder. See campaign.ParsePlanned.
func KeptCampaign(path string, c Call, planned *plan.Plan) (*campaign.Campaign, error) {
	text, err := os.ReadFile(filepath.Join(path, campaignFile))
	if err != nil {
		return nil, refusal.New("campaign_unreadable", "cause", err)
	}
	parsed, err := campaign.ParsePlanned(text, c.Campaign, planned.Frozen)
	if err != nil {
		return nil, refusal.New("campaign_invalid", "cause", err)
	}
	return parsed, nil
}

// Heading returns what people know the run in a folder by, as of its latest start. The campaign file itself may be
// another campaign's by now.
func Heading(path string) campaign.Heading {
	text, _ := os.ReadFile(filepath.Join(path, campaignFile)) // what cannot be read is empty
	return campaign.HeadingOf(text)
}

// FromStdin reports whether a cohort's paths stand for standard input.
func FromStdin(paths []string) bool { return len(paths) == 1 && paths[0] == StdinWord }

func Absolute(path string) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", refusal.New("path_unusable", "path", path, "cause", err)
	}
	return full, nil
}

// Same reports whether two paths are the same folder or file.
func Same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// Exists reports whether a path names anything. It follows no link.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
