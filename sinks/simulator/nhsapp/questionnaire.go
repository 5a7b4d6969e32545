package nhsapp

import (
	"github.com/tidwall/gjson"

	"cohort/sinks/simulator/gateway"
)

const (
	answersURL    = "https://fhir.nhs.uk/NHSApp/answers"
	mostAnswers   = 6
	answerOptions = "contained[0].item[0].answerOptions" // as in the published error
)

// replyForm checks the possible answers of a person: one questionnaire of one item, and an
// extension that refers to it. The contract publishes three errors: no questionnaire, an item
// of another type, too many answers. The general errors serve for the rest.
func (p *validator) replyForm(contained, extension gjson.Result) {
	if !contained.Exists() && !extension.Exists() {
		return
	}
	if !contained.Exists() {
		p.add(notSpecified, "contained")
		return
	}
	resources := gateway.Elements(contained)
	if len(resources) != 1 || text(resources[0], "resourceType") != "Questionnaire" {
		p.add(noQuestions, "")
		return
	}
	form := resources[0]
	p.answers(extension, text(form, "id"))
	if text(form, "status") != "active" {
		p.add(wrongFormat, "contained[0].status")
	}
	item, one := p.only(gateway.Member(form, "item"), "contained[0].item")
	if !one {
		return
	}
	options := gateway.Elements(gateway.Member(item, "answerOption"))
	switch kind := text(item, "type"); {
	case kind == "text":
		return
	case kind != "choice":
		p.add(noSuchItem, "")
	case len(options) == 0:
		p.add(notSpecified, answerOptions)
	case len(options) > mostAnswers:
		p.add(tooLong, answerOptions)
	default:
		for _, option := range options {
			if text(gateway.Member(option, "valueCoding"), "code") == "" {
				p.add(notSpecified, answerOptions)
			}
		}
	}
}

// answers checks the extension that names the questionnaire.
func (p *validator) answers(extension gjson.Result, id string) {
	list := gateway.Elements(extension)
	if len(list) != 1 || id == "" {
		p.add(notSpecified, "extension")
		return
	}
	if text(list[0], "url") != answersURL {
		p.add(wrongFormat, "extension[0].url")
	}
	if text(gateway.Member(list[0], "valueReference"), "reference") != "#"+id {
		p.add(wrongFormat, "extension[0].valueReference.reference")
	}
}
