package bench

import "golang.org/x/sys/unix"

// Room is how many bytes may still be written to the disk of a folder. Where the system
// does not say, there is room for everything.
func Room(folder string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(folder, &fs) != nil {
		return 1 << 62 // whatever is wrong shows soon enough
	}
	return int64(fs.Bavail) * int64(fs.Bsize) //nolint:unconvert // their widths differ between machines
}
