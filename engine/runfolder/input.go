package runfolder

// fromStdin says whether a cohort's paths stand for standard input.
func FromStdin(paths []string) bool { return len(paths) == 1 && paths[0] == StdinWord }
