package simulator

const (
	answersURL    = "https://fhir.nhs.uk/NHSApp/answers"
	mostAnswers   = 6
	answerOptions = "contained[0].item[0].answerOptions" // as the published error has it
)

// replyForm checks what a person may answer: one questionnaire of one item, which an
// extension refers to. Its three published errors are that there is no questionnaire, that
// the item is of another type, and that it has too many answers. For the rest, where the
// contract has no error, the general ones serve.
func (p *reading) replyForm(contained, extension raw) {
	if contained == nil && extension == nil {
		return
	}
	if contained == nil {
		p.add(notSpecified, "contained")
		return
	}
	resources := contained.elements()
	if len(resources) != 1 {
		p.add(noQuestions, "")
		return
	}
	form := resources[0]
	if kind, _ := form.get("resourceType").text(); kind != "Questionnaire" {
		p.add(noQuestions, "")
		return
	}
	id, _ := form.get("id").text()
	p.answers(extension, id)
	if status, _ := form.get("status").text(); status != "active" {
		p.add(wrongFormat, "contained[0].status")
	}
	items := form.get("item").elements()
	switch {
	case len(items) == 0:
		p.add(notSpecified, "contained[0].item")
		return
	case len(items) > 1:
		p.add(tooLong, "contained[0].item")
		return
	}
	options := items[0].get("answerOption").elements()
	switch kind, _ := items[0].get("type").text(); {
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
			if code, _ := option.get("valueCoding").get("code").text(); code == "" {
				p.add(notSpecified, answerOptions)
			}
		}
	}
}

// answers checks the extension that names the questionnaire.
func (p *reading) answers(extension raw, id string) {
	list := extension.elements()
	if len(list) != 1 || id == "" {
		p.add(notSpecified, "extension")
		return
	}
	if url, _ := list[0].get("url").text(); url != answersURL {
		p.add(wrongFormat, "extension[0].url")
	}
	if reference, _ := list[0].get("valueReference").get("reference").text(); reference != "#"+id {
		p.add(wrongFormat, "extension[0].valueReference.reference")
	}
}
