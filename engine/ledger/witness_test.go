package ledger

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cohort/engine/enginetest"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// atWork takes on the run in dir as a start does, attempts some of its messages, and leaves the
// log open, as a killed process does.
func atWork(t *testing.T, dir string, attempts int) *Log {
	t.Helper()
	p, err := Open(dir, enginetest.OpenPlan(t, dir))
	enginetest.Must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	enginetest.Must(t, p.Open(Start{At: time.Now()}))
	enginetest.Must(t, p.NoteWitness(time.Now(), dir, ""))
	attempt20(t, p, attempts)
	return p
}

func attempt20(t *testing.T, p *Log, attempts int) {
	t.Helper()
	for range attempts {
		a := &record.Attempt{Form: plan.FormID{Batch: uint32(p.Ledger.facts.Attempts)}, N: 1, At: time.Now()}
		enginetest.Must(t, p.Attempt(a))
		enginetest.Must(t, p.Attempted(a))
	}
	enginetest.Must(t, p.Mark())
}

// What happens to a folder between two starts, and whether a person is asked if it is the latest.
// $RUN is the folder, $COPY a place beside it.
func TestShowsLatest(t *testing.T) {
	const latest, asked, older = "latest", "asked", "older"
	for _, row := range []struct {
		sentence string
		planned  bool   // the backup is made before the first start
		midway   bool   // the backup is made while a process is at work, not between two starts
		backup   string // then the run goes on, is killed,
		after    string // and this is done
		want     string
	}{
		{"killed", false, false, "", "", latest},
		{"the page cache is gone, as after a reboot", false, false, "", "sync $RUN", latest},
		{"other modes", false, false, "", "chmod -R a+r $RUN", latest},
		{"other times", false, false, "", "find $RUN -exec touch -d 2020-01-01 {} +", latest},
		{"moved on its filesystem", false, false, "", "mv $RUN $COPY", latest},
		{"a backup of hard links beside it", false, false, "", "cp -al $RUN $COPY", latest},
		{"a backup beside it", false, true, "cp -a $RUN $COPY", "", latest},
		{"a plan that was copied, and went on", true, false, "cp -a $RUN $COPY", "", latest},

		{"copied", false, false, "", "cp -a $RUN $COPY && rm -r $RUN", asked},
		{"copied away and back, where inodes are used again", false, false, "", "cp -a $RUN $COPY && rm -r $RUN && cp -a $COPY $RUN && rm -r $COPY", asked},
		{"copied by rsync", false, false, "", "rsync -a $RUN/ $COPY && rm -r $RUN", asked},
		{"copied by tar", false, false, "", "mkdir $COPY && tar -C $RUN -c . | tar -C $COPY -x && rm -r $RUN", asked},
		{"the log alone copied", false, false, "", "cp -a $RUN/log $COPY && rm -r $RUN/log && mv $COPY $RUN/log", asked},
		{"an older copy in its place", false, true, "cp -a $RUN $COPY", "rm -r $RUN && cp -a $COPY $RUN && rm -r $COPY", asked},
		{"the older copy itself, moved", false, false, "cp -a $RUN $COPY", "rm -r $RUN && mv $COPY $RUN", asked},
		{"an older plan in its place", true, false, "cp -a $RUN $COPY", "rm -r $RUN && mv $COPY $RUN", asked},
		{"an older backup of hard links in its place", false, false, "cp -al $RUN $COPY", "rm -r $RUN && mv $COPY $RUN", asked},
		{"an older copy unpacked over it by tar", false, true, "tar -C $RUN -cf $COPY.tar .", "tar -C $RUN -xf $COPY.tar", older},
		{"an older copy over it, which keeps its inodes", false, true, "cp -a $RUN $COPY", "cp -a $COPY/. $RUN && rm -r $COPY", older},
		{"an older copy by rsync, which leaves what has not changed", false, false, "rsync -a $RUN/ $COPY", "rsync -a --delete $COPY/ $RUN && rm -r $COPY", asked},
		{"an older copy by rsync, in place", false, true, "rsync -a $RUN/ $COPY", "rsync -a --inplace --delete $COPY/ $RUN && rm -r $COPY", asked},
		{"the mark taken away", false, false, "", "rm $RUN/reached-*", asked},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			if _, err := exec.LookPath("rsync"); err != nil && strings.Contains(row.backup+row.after, "rsync") {
				t.Skip("there is no rsync")
			}
			t.Parallel()
			base := t.TempDir()
			dir, other := filepath.Join(base, "run"), filepath.Join(base, "copy")
			sh := func(line string) {
				c := exec.Command("sh", "-ec", line)
				c.Env = append(os.Environ(), "RUN="+dir, "COPY="+other)
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
			}
			enginetest.Must(t, os.Mkdir(dir, 0o700))
			enginetest.SealForgetful(t, dir, enginetest.NewPeople(40, 1, nil))
			p, err := Open(dir, enginetest.OpenPlan(t, dir))
			enginetest.Must(t, err)
			enginetest.Must(t, p.NoteWitness(time.Now(), dir, ""))
			enginetest.Must(t, p.Close())
			if row.planned {
				sh(row.backup)
			}
			p = atWork(t, dir, 5)
			if row.midway {
				sh(row.backup)
				attempt20(t, p, 5)
			} else {
				enginetest.Must(t, p.Close())
				if !row.planned {
					sh(row.backup)
				}
				atWork(t, dir, 5)
			}
			sh(row.after)
			if _, err := os.Stat(dir); err != nil {
				dir = other
			}
			ledger, err := Read(dir, enginetest.OpenPlan(t, dir))
			enginetest.Must(t, err)
			got, why := latest, ledger.ShowsLatest(dir)
			if c := (*CopyError)(nil); errors.As(why, &c) {
				if got = asked; c.Older {
					got = older
				}
			} else if why != nil {
				t.Fatal(why)
			}
			if got != row.want {
				t.Fatalf("%s (%v), want %s", got, why, row.want)
			}
			if why == nil {
				return
			}
			// A person's word is as good as a start: it holds for this folder, until it is copied.
			p, err = Open(dir, enginetest.OpenPlan(t, dir))
			enginetest.Must(t, err)
			enginetest.Must(t, p.NoteWitness(time.Now(), dir, "by ann: moved"))
			enginetest.Must(t, p.Close())
			ledger, err = Read(dir, enginetest.OpenPlan(t, dir))
			enginetest.Must(t, err)
			if why := ledger.ShowsLatest(dir); row.want == asked && why != nil || ledger.facts.LastControl != "latest: by ann: moved" {
				t.Fatalf("after the decision: %v, %s", why, ledger.facts.LastControl)
			}
		})
	}
}

// A folder that is mounted elsewhere is the same folder, as after a container was started again.
func TestAFolderThatIsMountedElsewhereIsTheSame(t *testing.T) {
	base := t.TempDir()
	for name, mount := range map[string]func(at string) error{
		"bind": func(at string) error { return unix.Mount(filepath.Join(base, "disk"), at, "", unix.MS_BIND, "") },
		"overlay": func(at string) error {
			return unix.Mount("overlay", at, "overlay", 0, "lowerdir="+base+"/lower,upperdir="+base+"/disk,workdir="+base+"/work,xino=off")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, dir := range []string{"disk", "lower", "work", "first", "second"} {
				enginetest.Must(t, os.MkdirAll(filepath.Join(base, dir), 0o700))
			}
			lower := filepath.Join(base, "lower") // on another filesystem: then an overlay's folders change their inodes
			if unix.Mount("tmpfs", lower, "tmpfs", 0, "size=64k") == nil {
				defer func() { _ = unix.Unmount(lower, unix.MNT_DETACH) }()
			}
			first, second := filepath.Join(base, "first"), filepath.Join(base, "second")
			if err := mount(first); err != nil {
				t.Skipf("this user cannot mount: %v", err)
			}
			dir := filepath.Join(first, name)
			enginetest.Must(t, os.Mkdir(dir, 0o700))
			enginetest.SealForgetful(t, dir, enginetest.NewPeople(40, 1, nil))
			enginetest.Must(t, atWork(t, dir, 5).Close())
			enginetest.Must(t, unix.Unmount(first, unix.MNT_DETACH))
			enginetest.Must(t, mount(second))
			defer func() { _ = unix.Unmount(second, unix.MNT_DETACH) }()
			dir = filepath.Join(second, name)
			ledger, err := Read(dir, enginetest.OpenPlan(t, dir))
			enginetest.Must(t, err)
			enginetest.Must(t, ledger.ShowsLatest(dir))
		})
	}
}

// What the filesystem must say, and what it may say otherwise after a reboot.
func TestWitness(t *testing.T) {
	dir := t.TempDir()
	enginetest.SealForgetful(t, dir, enginetest.NewPeople(40, 1, nil))
	enginetest.Must(t, atWork(t, dir, 5).Close())
	for sentence, row := range map[string]struct {
		change func(w *Witness)
		asked  string
	}{
		"nothing":                              {func(*Witness) {}, ""},
		"the filesystem has no birth times":    {func(w *Witness) { w.Files[0].Born = 0 }, "does not say when a file was made"},
		"the same inode, made at another time": {func(w *Witness) { w.Files[0].Born++ }, "its files are not the ones"},
		"another inode, made at the same time": {func(w *Witness) { w.Files[0].Inode++ }, "its files are not the ones"},
		"another mark":                         {func(w *Witness) { w.Files[2].Born++ }, "its files are not the ones"},
		"a snapshot that has another id":       {func(w *Witness) { w.Filesystem += "0" }, "its files are not the ones"},
		"a filesystem that had no id":          {func(w *Witness) { w.Filesystem = "" }, ""},
	} {
		ledger, err := Read(dir, enginetest.OpenPlan(t, dir))
		enginetest.Must(t, err)
		if ledger.facts.Witness.Filesystem == "" {
			t.Skip("this filesystem has no id")
		}
		row.change(ledger.facts.Witness)
		err = ledger.ShowsLatest(dir)
		if asked := errors.As(err, new(*CopyError)); asked != (row.asked != "") || asked && !strings.Contains(err.Error(), row.asked) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	ledger, err := Read(dir, enginetest.OpenPlan(t, dir))
	enginetest.Must(t, err)
	ledger.facts.Witness = nil
	if !errors.As(ledger.ShowsLatest(dir), new(*CopyError)) {
		t.Error("a log of an older version shows that it is the latest")
	}
	xfs, device := &unix.Statfs_t{Fsid: unix.Fsid{Val: [2]int32{0xfd01, 0}}}, &unix.Statx_t{Dev_major: 0xfd, Dev_minor: 1}
	if id := filesystemID(xfs, device); id != "" {
		t.Errorf("a device's number is the filesystem's id %s", id)
	}
	if id := filesystemID(xfs, &unix.Statx_t{Dev_major: 8}); id != "fd01" {
		t.Errorf("a filesystem's id is %q", id)
	}
}
