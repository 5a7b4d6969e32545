package nhsapp

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"cohort/engine"
)

// Reply is what a person may answer to an in-app message: one of Answers, or a text of
// their own when there are none. The question stands in the message: the service's form
// has no place for one. It is the same for everybody.
type Reply struct {
	Answers []string
}

const (
	mostAnswers = 6
	mostAnswer  = 1000 // characters; a limit of ours, since the contract has none
)

// answersURL is the extension that says which questionnaire the answers are to.
const answersURL = "https://fhir.nhs.uk/NHSApp/answers"

// append appends the members of a request that offer the reply: a questionnaire of one
// item, and the reference to it.
func (r *Reply) append(dst []byte) []byte {
	if r == nil {
		return dst
	}
	dst = append(dst, `,"contained":[{"resourceType":"Questionnaire","id":"reply","status":"active","item":[{"linkId":"1","type":`...)
	if len(r.Answers) == 0 {
		dst = append(dst, `"text"`...)
	} else {
		dst = append(dst, `"choice","answerOption":[`...)
		for i, answer := range r.Answers {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(engine.AppendJSONString(append(dst, `{"valueCoding":{"code":`...), answer), "}}"...)
		}
		dst = append(dst, ']')
	}
	return append(dst, `}]}],"extension":[{"url":"`+answersURL+`","valueReference":{"reference":"#reply"}}]`...)
}

// mistake says in words that go on from the key of the answers what is wrong with them.
// An answer is a code in FHIR (R4, data types: code), which says what it may be made of.
func (r *Reply) mistake() string {
	if r == nil {
		return ""
	}
	if len(r.Answers) > mostAnswers {
		return fmt.Sprintf("has %d answers, and the service takes %d", len(r.Answers), mostAnswers)
	}
	for i, answer := range r.Answers {
		switch {
		case answer == "" || answer != strings.Join(strings.Fields(answer), " ") || strings.ContainsFunc(answer, unicode.IsControl):
			return fmt.Sprintf("has an answer, the %s, that is empty, or has white space around it or twice in a row", nth[i])
		case strings.Contains(answer, "(("):
			return "is the same for everybody and may hold no ((column))"
		case Characters(answer) > mostAnswer:
			return fmt.Sprintf("has an answer, the %s, of more than 1,000 characters", nth[i])
		case HasMarkup(answer):
			return fmt.Sprintf("has an answer, the %s, with a < and somewhere behind it a >, which the service takes for HTML", nth[i])
		case slices.Contains(r.Answers[:i], answer):
			return fmt.Sprintf("has the answer %q twice, and nobody could tell them apart", answer)
		}
	}
	return ""
}

var nth = [mostAnswers]string{"first", "second", "third", "fourth", "fifth", "sixth"}
