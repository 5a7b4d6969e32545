// Package bench measures: what a piece of work takes of the machine, in a process of its
// own, and what the median of several rounds is. What is measured is in the packages
// below it, one for each subcommand of cohort bench.
package bench
