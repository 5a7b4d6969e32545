package nhsapp

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"cohort/engine"
)

// Reply holds the possible answers to an in-app message; none: any text. The question is in the
// message itself. The answers are the same for everybody.
type Reply struct {
	Answers []string
}

const (
	mostAnswers = 6
	mostAnswer  = 1000 // characters; cohort's own limit
)

// answersURL is the extension that refers to the questionnaire.
const answersURL = "https://fhir.nhs.uk/NHSApp/answers"

// append appends the reply: a questionnaire of one item, and the reference to it.
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

// mistake is the problem of the answers, as words that follow their key. An answer is a code in
// FHIR (R4, data types: code).
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
			return "must be the same for everybody, without a ((column))"
		case Characters(answer) > mostAnswer:
			return fmt.Sprintf("has an answer, the %s, of more than 1,000 characters", nth[i])
		case HasMarkup(answer):
			return fmt.Sprintf("has an answer, the %s, with a < and a > after it, which the service takes for HTML", nth[i])
		case slices.Contains(r.Answers[:i], answer):
			return fmt.Sprintf("has the answer %q twice", answer)
		}
	}
	return ""
}

var nth = [mostAnswers]string{"first", "second", "third", "fourth", "fifth", "sixth"}
