package runfolder

// What stands for standard input.
const (
	StdinWord   = "-"              // on the command line and in run.json
	StdinName   = "standard input" // in errors, rejects and the report
	StdinFile   = "cohort.stdin"   // the copy in a run's folder, while the run has no plan
	StdinPrefix = ".cohort-stdin-" // the copy while nobody knows yet which run it is
)

const StdinExample = "as in: zcat cohort.csv.gz | cohort %s -c campaign.yaml -"
