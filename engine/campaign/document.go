package campaign

import "github.com/goccy/go-yaml"

// document is the campaign file as it is written. A nil pointer is a missing value.
type document struct {
	Campaign        string             `yaml:"campaign"`
	Profile         string             `yaml:"profile"`
	Register        *oneOrMore         `yaml:"register"`
	OverlapDays     *int               `yaml:"overlap_days"`
	Cohort          cohortSection      `yaml:"cohort"`
	Suppress        []listSection      `yaml:"suppress"`
	Personalisation map[string]*string `yaml:"personalisation"`
	ReservedNames   *string            `yaml:"reserved_names"`
	Content         struct {
		Literal *bool `yaml:"literal"`
	} `yaml:"content"`
	Route       []routeSection `yaml:"route"`
	Reach       *Reach         `yaml:"reach"`
	Pace        *paceSection   `yaml:"pace"`
	StopIf      stopSection    `yaml:"stop_if"`
	GiveUpAfter *string        `yaml:"give_up_after"`
	OnHalt      []string       `yaml:"on_halt"`
	Sink        struct {
		Notify *notifySection `yaml:"notify"`
		NHSApp *nhsappSection `yaml:"nhsapp"`
		File   *fileSection   `yaml:"file"`
	} `yaml:"sink"`
	Callbacks   *Callbacks        `yaml:"callbacks"`
	KeepColumns []string          `yaml:"keep_columns"`
	Heading     Heading           `yaml:",inline"`
	FollowUp    []followUpSection `yaml:"followup"`
}

type cohortSection struct {
	Columns    map[string]oneOrMore `yaml:"columns"`
	Required   []string             `yaml:"required"`
	Types      map[string]string    `yaml:"types"`
	Duplicates duplicates           `yaml:"duplicates"`
	Withdrawn  *Withdrawn           `yaml:"withdrawn"`
	Format     formatSection        `yaml:"format"`
	Defaults   map[string]*string   `yaml:"defaults"`
	Superseded *string              `yaml:"superseded_by"`
	Numbers    *string              `yaml:"numbers"`
	Multiline  []string             `yaml:"multiline"`
	Checked    bool                 `yaml:"encoding_checked"`
	MaxInvalid *string              `yaml:"max_invalid"`
	Expect     struct {
		Records *int64 `yaml:"records"`
		SHA256  string `yaml:"sha256"`
	} `yaml:"expect"`
}

type routeSection struct {
	Name            string                       `yaml:"name"`
	When            *map[string]conditionSection `yaml:"when"`
	RoutingPlan     *string                      `yaml:"routing_plan"`
	RoutingPlanID   *string                      `yaml:"routing_plan_id"`
	Personalisation map[string]*string           `yaml:"personalisation"`
	ContentFile     *string                      `yaml:"content_file"`
	Display         *string                      `yaml:"display"`
	Reference       *string                      `yaml:"reference"`
}

type formatSection struct {
	Type      string  `yaml:"type"`
	Delimiter *string `yaml:"delimiter"`
	Encoding  string  `yaml:"encoding"`
	Header    *bool   `yaml:"header"`
}

type listSection struct {
	File       string        `yaml:"file"`
	Reason     string        `yaml:"reason"`
	MayShrink  bool          `yaml:"may_shrink"`
	Unreadable int64         `yaml:"unreadable"`
	Format     formatSection `yaml:"format"`
}

type paceSection struct {
	Messages  *int64   `yaml:"messages"`
	Window    *string  `yaml:"window"`
	Timezone  *string  `yaml:"timezone"`
	PerSecond *float64 `yaml:"per_second"`
	Spread    bool     `yaml:"spread"`
	CatchUp   *float64 `yaml:"catch_up"`
	LastCall  *string  `yaml:"last_call"`
	Until     *string  `yaml:"until"`
	Share     *string  `yaml:"share"`
	Weight    *int     `yaml:"weight"`
	Lane      *string  `yaml:"lane"`
	Quota     *int     `yaml:"quota"`
}

type stopSection struct {
	Refused *string `yaml:"refused"`
	Of      *int    `yaml:"of"`
}

type nhsappSection struct {
	Access     Access `yaml:",inline"`
	ODSCode    string `yaml:"requester_ods_code"`
	CampaignID string `yaml:"campaign_id"`
	OnBehalfOf string `yaml:"on_behalf_of"`
	InApp      *struct {
		ContentFile string        `yaml:"content_file"`
		Reply       *replySection `yaml:"reply"`
	} `yaml:"in_app"`
	Push *Push `yaml:"push"`
}

type replySection struct {
	Type    string   `yaml:"type"`
	Options []string `yaml:"options"`
}

type fileSection struct {
	Mesh    *meshSection    `yaml:"mesh"`
	Letters *lettersSection `yaml:"letters"`
}

type meshSection struct {
	Mesh   Mesh          `yaml:",inline"`
	Limits limitsSection `yaml:",inline"`
}

type lettersSection struct {
	Format       *string       `yaml:"format"`
	Columns      []string      `yaml:"columns"`
	AddressLines []string      `yaml:"address_lines"`
	FewestLines  *int          `yaml:"fewest_lines"`
	Postcode     string        `yaml:"postcode"`
	Limits       limitsSection `yaml:",inline"`
}

type limitsSection struct {
	MaxMessages *int   `yaml:"max_messages"`
	MaxBytes    *int64 `yaml:"max_bytes"`
}

type notifySection struct {
	Access        Access  `yaml:",inline"`
	Endpoint      *string `yaml:"endpoint"`
	RoutingPlan   *string `yaml:"routing_plan"`
	RoutingPlanID string  `yaml:"routing_plan_id"`
	ODSCode       string  `yaml:"ods_code"`

	BillingReference *string        `yaml:"billing_reference"`
	Originator       *string        `yaml:"originator"`
	ContactDetails   contactSection `yaml:"contact_details"`

	Batch struct {
		MaxMessages *int    `yaml:"max_messages"`
		MaxBytes    *int    `yaml:"max_bytes"`
		Smoothing   *string `yaml:"smoothing"`
	} `yaml:"batch"`
}

type contactSection struct {
	SMS     *string `yaml:"sms"`
	Email   *string `yaml:"email"`
	Address struct {
		Lines    []string `yaml:"lines"`
		Postcode *string  `yaml:"postcode"`
	} `yaml:"address"`
	Name struct {
		Prefix      *string `yaml:"prefix"`
		FirstName   *string `yaml:"first_name"`
		MiddleNames *string `yaml:"middle_names"`
		LastName    *string `yaml:"last_name"`
		Suffix      *string `yaml:"suffix"`
	} `yaml:"name"`
}

// oneOrMore is a text, such as a header, or a list of them.
type oneOrMore []string

func (oneOrMore) Section() any   { return nil }
func (oneOrMore) Wanted() string { return "a text or a list of texts" }

func (o *oneOrMore) UnmarshalYAML(text []byte) error {
	if yaml.Unmarshal(text, (*[]string)(o)) == nil {
		return nil
	}
	*o = make(oneOrMore, 1)
	return yaml.Unmarshal(text, &(*o)[0])
}

// duplicates is first, last, or {latest_by: column}.
type duplicates struct {
	rule     string
	latestBy string
}

type latestBy struct {
	Column string `yaml:"latest_by"`
}

func (duplicates) Section() any   { return latestBy{} }
func (duplicates) Wanted() string { return "first, last, or {latest_by: column}" }

func (d *duplicates) UnmarshalYAML(text []byte) error {
	var by latestBy
	if err := yaml.Unmarshal(text, &by); err == nil && by.Column != "" {
		*d = duplicates{"latest", by.Column}
		return nil
	}
	return yaml.Unmarshal(text, &d.rule)
}
