package ingest

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cohort/ingest/format"
)

var (
	// unfinished are endings of names that programs use for an incomplete file or an old copy.
	unfinished = []string{
		".filepart", ".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".opdownload", ".upload", ".uploading",
		".incomplete", ".inprogress", ".writing", ".swp", ".lock", ".bak", ".old", ".orig", "~",
	}
	// partName is rsync's name for an incomplete file.
	partName = regexp.MustCompile(`^\..+\..+\.[A-Za-z0-9]{6}$`)

	// companions are files beside a cohort that do not belong to it.
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

// sift leaves out the known companions of a cohort. It refuses an incomplete file.
func (d *Reader) sift(folder string, paths []string) (cohort []string, err error) {
	for _, path := range paths {
		switch name := filepath.Base(path); {
		case isUnfinished(name):
			return nil, &format.FileError{
				File:    name,
				Problem: "by its name, this file is still being written, or is a program's old copy",
				Fix:     "wait until it is complete, or remove it from the folder",
			}
		case endsIn(name, companions):
			d.note(name, "by its name, this file is not a cohort; it is left out")
		default:
			cohort = append(cohort, path)
		}
	}
	if len(cohort) == 0 {
		return nil, &format.FileError{File: folder, Problem: "the folder holds no files", Fix: "ask the sender for the files again"}
	}
	return cohort, nil
}
