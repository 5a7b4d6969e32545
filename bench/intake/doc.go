// Package intake measures how fast and in how much memory a cohort is read: by the
// product, by what other people would use, and by programs that do next to nothing and
// so are the floor.
//
//	the parent                                  a child for each cell
//	makes a cohort, knows what is in it   ──▶   reads it in one way (a part)
//	rounds of all parts, one after another ◀──  counts, seconds, CPU, peak memory
//	holds every count against the truth
//	medians, ratios, table
//
// Every part runs in a process of its own, so that its peak memory is its own. The parts
// of a round run one after another, and the rounds too, so that a machine that grows
// slower is slower for all of them; ratios are taken within a round. A part that has
// counted other records, valid numbers or people than the file has ends everything: a
// reader that is fast and wrong is no peer.
package intake
