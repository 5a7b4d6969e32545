// Package file hands a cohort over in files: the upload that NHS Notify takes over MESH, and
// letters for a print supplier. Its sink is an engine.Sink. A request is one part of a file.
//
//	files/parts/<reference>.part ──▶ files/manifest.json ──▶ files/<name>-001.dat, .ctl, …
//
// The sink writes each batch to a part of its own, named by the batch's reference. A batch is
// always the same bytes, so a part may be written any number of times, and the sink is of the
// kind that takes a reference once.
//
// Join then writes the files, from the parts of all batches that the progress log calls
// accepted, in the plan's order. It ignores other parts. It makes a missing or changed part
// again from the sealed plan.
package file
