package intake

import (
	"slices"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
)

// input is where a cohort is read from.
type Input struct {
	Paths []string
	Stdin bool // the one path is a copy of standard input
	App   *AppUsers
}

// cohortPaths makes the paths of a cohort absolute. That of standard input stays "-".
func CohortPaths(args []string) ([]string, error) {
	if slices.Contains(args, runfolder.StdinWord) {
		if len(args) > 1 {
			return nil, refusal.New("stdin_not_alone")
		}
		return args, nil
	}
	paths := make([]string, len(args))
	for i, arg := range args {
		var err error
		if paths[i], err = runfolder.Absolute(arg); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// names says what errors call a file that has a name other than its own.
func (in Input) names() map[string]string {
	if !in.Stdin {
		return nil
	}
	return map[string]string{in.Paths[0]: runfolder.StdinName}
}

// called is how the plan, and so the report, knows a file.
func (in Input) called(path string) string {
	if in.Stdin {
		return runfolder.StdinName
	}
	return path
}

// typedDefaults refuses a default that is not of its field's type.
func typedDefaults(c *campaign.Campaign) error {
	for field, value := range c.Cohort.Defaults {
		if t, typed := c.Cohort.Types[field]; typed && value != "" && !ingest.Type(t).Holds(value) {
			return refusal.New("default_of_wrong_type", "cause", c.Mistake("cohort.defaults."+field, "is not "+ingest.Type(t).Words()+", as cohort.types asks of the field"))
		}
	}
	return nil
}

// usedDefaults refuses a default for a field that is in no message.
func usedDefaults(c *campaign.Campaign, fields []string) error {
	for field := range c.Cohort.Defaults {
		if !slices.Contains(fields, field) {
			return refusal.New("default_unused", "cause", c.Mistake("cohort.defaults."+field, "is for a field that no personalisation uses; take it out, or put (("+field+")) into a text"))
		}
	}
	return nil
}
