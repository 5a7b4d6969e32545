package intake

import (
	"strings"
	"unicode"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/notify"
)

// samples renders the first three messages of each route, with letters and digits masked.
func samples(spool *shard.Spool, c *campaign.Campaign, fields []string) ([]string, error) {
	var all []string
	for i, way := range c.ByRoute() {
		some, err := samplesOf(spool, i, way, fields)
		if err != nil {
			return nil, err
		}
		for _, sample := range some {
			if len(c.Routes) > 0 {
				sample = c.Routes[i].Name + ": " + sample
			}
			all = append(all, sample)
		}
	}
	return all, nil
}

// samplesOf renders the samples of one route.
func samplesOf(spool *shard.Spool, route int, c *campaign.Campaign, fields []string) ([]string, error) {
	texts := c.Wording()
	compiled := make([]engine.Template, len(texts))
	for i, t := range texts {
		var err error
		if compiled[i], err = engine.CompileTemplate(t.Text, fields); err != nil {
			return nil, refusal.New("text_unusable", "cause", c.Mistake(t.Key, "cannot be used: "+err.Error()))
		}
	}
	details, err := notify.CompileDetails(c, fields)
	if err != nil {
		return nil, refusal.New("contact_details_unusable", "cause", err)
	}
	var out []string
	for i := route; i < spool.Lanes(); i += spool.Routes() {
		for p, err := range spool.Recipients(person.Lane(i), 0, spool.Readable(person.Lane(i))) {
			if err != nil {
				return nil, err
			}
			if p.Suppressed {
				continue
			}
			for f := range p.Fields {
				p.Fields[f] = mask(p.Fields[f])
			}
			var parts []string
			for i, text := range compiled {
				parts = append(parts, texts[i].Name+": "+string(text.AppendJSON(nil, p.Fields)))
			}
			if said := details.AppendJSON(nil, p.Fields); len(said) > 0 {
				parts = append(parts, string(said[1:]))
			}
			if out = append(out, strings.Join(parts, ", ")); len(out) == 3 {
				return out, nil
			}
		}
	}
	return out, nil
}

func mask(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '0'
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r):
			return 'x'
		}
		return r
	}, text)
}
