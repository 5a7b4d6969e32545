package intake

import _ "embed"

// Campaign is the text of the campaign file that the cohort is read for: what it requires,
// its types, its profile and the fields that it carries.
//
//go:embed campaign.yaml
var Campaign []byte
