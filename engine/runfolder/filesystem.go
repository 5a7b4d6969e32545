package runfolder

import (
	"log/slog"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"cohort/engine/campaign"
	"cohort/engine/event"
	"cohort/engine/refusal"
)

// networkFilesystems are unreliable for the lock and the log. Keys are magic numbers of statfs(2).
var networkFilesystems = map[int64]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", 0xFF534D42: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB",
	unix.V9FS_MAGIC: "9p", unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.NCP_SUPER_MAGIC: "NCP",
	unix.CEPH_SUPER_MAGIC: "Ceph", 0x0BD00BD0: "Lustre", 0x47504653: "GPFS", unix.FUSE_SUPER_MAGIC: "FUSE",
}

// passingFilesystems are lost with the machine or the container.
var passingFilesystems = map[int64]string{unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}

// WarnOfRegisters warns if a send to the NHS App has all its registers on one filesystem. After a
// restore from a snapshot, nothing would show that it is older.
func WarnOfRegisters(log *slog.Logger, c *campaign.Campaign, simulate bool) {
	if c.NHSApp == nil || c.Profile != campaign.Production || simulate {
		return
	}
	disks := map[uint64]bool{}
	for _, path := range c.Registers() {
		var at unix.Stat_t
		for unix.Stat(path, &at) != nil && path != "/" {
			path = filepath.Dir(path) // it is not made yet
		}
		disks[at.Dev] = true
	}
	if len(disks) < 2 {
		log.Warn("the NHS App takes a message twice, and after a restore of this disk (a snapshot of a VM, of LVM or of a cloud volume) nothing would show whom the run had reached; name a second register on other storage in the campaign file", event.OneRegister, "register", "["+strings.Join(append(c.Registers(), "/mnt/other/.cohort"), ", ")+"]")
	}
}

// checkFilesystem refuses a network filesystem unless network allows it, and warns of one that is
// lost with the machine.
func checkFilesystem(path string, network bool, log *slog.Logger) error {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return nil // opening the folder reports what is wrong
	}
	kind := int64(fs.Type) //nolint:unconvert // its width differs between machines
	if name := networkFilesystems[kind]; name != "" && !network {
		return refusal.New("network_folder", "folder", path, "kind", name)
	}
	if name := passingFilesystems[kind]; name != "" {
		log.Warn("the run's folder will not outlive this machine or container; keep it on a disk", event.FolderNotKept, "folder", path, "filesystem", name)
	}
	return nil
}
