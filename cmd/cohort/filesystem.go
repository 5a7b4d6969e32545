package main

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// The filesystems, by the magic number of statfs(2), on which neither the lock nor the
// log can be relied upon.
var networkFilesystems = map[int64]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xFF534D42: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB",
	unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.NCP_SUPER_MAGIC: "NCP",
	unix.CEPH_SUPER_MAGIC: "Ceph", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS", unix.FUSE_SUPER_MAGIC: "FUSE",
}

// passingFilesystems are those that do not outlive the machine or the container.
var passingFilesystems = map[int64]string{unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}

// checkFilesystem refuses a folder on a network filesystem, unless allowed, and warns
// of one that will not last.
func checkFilesystem(path string, network bool, log *slog.Logger) error {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return nil // whatever is wrong shows soon enough
	}
	kind := int64(fs.Type) //nolint:unconvert // its width differs between machines
	if name := networkFilesystems[kind]; name != "" && !network {
		return refuse("%s is on a network filesystem (%s), where two processes may hold one lock and a synced write may be lost; use a local disk, or give --allow-network-folder if you know better", path, name)
	}
	if name := passingFilesystems[kind]; name != "" {
		log.Warn("the run's folder will not outlive this machine or container; keep it on a disk", "folder", path, "filesystem", name)
	}
	return nil
}
