package ingest

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cohort/ingest/format"
)

var (
	// unfinished are the endings of names under which programs write a file that is not complete,
	// or keep an older copy of one.
	unfinished = []string{
		".filepart", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".upload", ".uploading",
		".incomplete", ".inprogress", ".writing", ".swp", ".lock", ".bak", ".old", ".orig", "~",
	}
	// partName is rsync's name for a file that it is writing.
	partName = regexp.MustCompile(`^\..+\..+\.[A-Za-z0-9]{6}$`)

	// companions are files that stand beside a cohort and are none.
	companions = []string{
		".md5", ".sha1", ".sha256", ".sha512", ".asc", ".sig", ".ctl", ":zone.identifier",
		"/md5sums", "/sha256sums", "/checksums.txt", "/thumbs.db", "/desktop.ini", "/_success",
	}
)

// isUnfinished reports whether a name says that its file is not complete.
func isUnfinished(name string) bool {
	return strings.HasPrefix(name, "~$") || strings.HasPrefix(name, ".~lock.") || partName.MatchString(name) || endsIn(name, unfinished)
}

func endsIn(name string, endings []string) bool {
	return slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix("/"+strings.ToLower(name), ending) })
}

// sift leaves out of the paths in a folder the known companions of a cohort. It refuses a
// file that is not complete.
func (d *Reader) sift(folder string, paths []string) (cohort []string, err error) {
	for _, path := range paths {
		switch name := filepath.Base(path); {
		case isUnfinished(name):
			return nil, &format.FileError{
				File:    name,
				Problem: "the name says that this file is still being written, or is a copy that a program keeps",
				Fix:     "wait until it is complete, or take it out of the folder",
			}
		case endsIn(name, companions):
			d.note(name, "a file of this name is no cohort, and is left out")
		default:
			cohort = append(cohort, path)
		}
	}
	if len(cohort) == 0 {
		return nil, &format.FileError{File: folder, Problem: "the folder holds no files", Fix: "ask the sender for the files again"}
	}
	return cohort, nil
}
