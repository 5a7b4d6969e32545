// Package file hands a cohort over in files, for those who send by file: the upload that
// NHS Notify takes over MESH, and letters for a print supplier. It is an engine.Sink whose
// requests are pieces of those files.
//
//	sink.go      one batch: a part of its own, synced, named by the batch's reference
//	join.go      the parts that stand, in the plan's order, joined into the files
//	manifest.go  what was written, in digests
//	mesh.go      the rows of an upload, and control.go the .ctl beside it
//	letters.go   the rows of a letters file, CSV or JSON lines
//	daily.go     the report that comes back over MESH, read
//	dryrun.go    the requests of any sink as JSON lines, sent to nobody
//	disk.go      the filesystem, one step at a time
//
//	files/parts/<reference>.part ──▶ files/manifest.json ──▶ files/<name>-001.dat, .ctl, …
//
// A part may be written any number of times, since a batch always comes out byte for byte
// the same: the sink is of the kind that takes a reference once. What is joined is what
// the progress log says was accepted. A part that is not in it is never taken, and one
// that is missing or changed is made again from the sealed plan.
package file
