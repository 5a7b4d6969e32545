package nhsapp

import (
	"fmt"
	"strings"
	"testing"
)

func TestA201IsReadWholeOrNotAtAll(t *testing.T) {
	const request = "0f8fad5b-d9cb-469f-a165-70867728950e"
	whole := created(request, someID)
	for cut := range whole {
		if _, _, ok := readCreated([]byte(whole[:cut])); ok {
			t.Errorf("%q was read", whole[:cut])
		}
	}
	list := func(kind, more string) string {
		return fmt.Sprintf(` {"x":[{}],"identifier" : [{"value":%q,"system":%q,"period":null},{"system":%q,"value":%q}%s],"resourceType":%q}`,
			request, requestSystem, insecureSystem, strings.ToUpper(someID), more, kind)
	}
	for body, want := range map[string]bool{
		whole:                            true,
		list("CommunicationRequest", ""): true,
		list("CommunicationRequest", `,{"system":"`+communicationSystem+`","value":"`+someID+`"}`): false,
		list("CommunicationRequest", `,{"system":null,"value":null},null`):                         true,
		list("CommunicationRequest", `,{null:"x"}`):                                                false,
		list("CommunicationRequest", `,"words"`):                                                   false,
		list("OperationOutcome", ""):                                                               false,
		whole + "}":                                                                                false,
		"null":                                                                                     false,
		`{"resourceType":"CommunicationRequest"}`:                                                  false,
		`{"resourceType":"CommunicationRequest","identifier":null}`:                                false,
	} {
		if id, asked, ok := readCreated([]byte(body)); ok != want || ok && (id != someID || asked != request) {
			t.Errorf("%s: %v, %q for %q", body, ok, id, asked)
		}
	}
}

func BenchmarkReadCreated(b *testing.B) {
	body := []byte(created("0f8fad5b-d9cb-469f-a165-70867728950e", someID))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, ok := readCreated(body); !ok {
			b.Fatal("not read")
		}
	}
}
